package diagnose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// streams are the findings that a running bridge has too, each as a line.
func (se *Session) streams(all []streams.State) []Check {
	var checks []Check
	for _, s := range all {
		for _, f := range s.Findings {
			status := Warn
			if f.Severity == streams.Unusable {
				status = Fail
			}
			c := check("stream", s.Name, status, "%s", f.Problem)
			c.Fix, c.FixIn = f.Fix, f.FixIn
			checks = append(checks, c)
		}
		switch {
		case len(s.Findings) > 0:
		case s.Info == nil:
			checks = append(checks, check("stream", s.Name, Warn, "it does not exist yet; the bridge makes it when it starts").shell("%s", s.Create))
		default:
			checks = append(checks, check("stream", s.Name, Pass, "%s", describe(s.Info)))
		}
	}
	return checks
}

// describe says what a stream is like.
func describe(info *jetstream.StreamInfo) string {
	c, parts := info.Config, []string{"on disk"}
	if c.MaxAge > 0 {
		parts = append(parts, fmt.Sprintf("keeps %s", value.FormatDuration(c.MaxAge)))
	}
	if c.MaxBytes > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s used", value.FormatBytes(info.State.Bytes), value.FormatBytes(c.MaxBytes)))
	}
	return fmt.Sprintf("%s, %d messages", strings.Join(parts, ", "), info.State.Msgs)
}

// fewestCopies survive the loss of a server, and leave a majority that agrees.
const fewestCopies = 3

// copies holds the copies of the event stream against the servers there are.
func (se *Session) copies(events streams.State) Check {
	const name = "replicas"
	of := events.Name
	if events.Info == nil {
		return check(name, of, Skip, "the stream does not exist")
	}
	have, cluster, servers := events.Info.Config.Replicas, events.Info.Cluster, se.servers()
	switch {
	case cluster == nil || se.nc.ConnectedClusterName() == "":
		return check(name, of, Pass, "1, on a single server: what it lost with its disk is lost")
	case cluster.Leader == "":
		return check(name, of, Fail, "the stream has no leader: too few of its servers are up; nothing can be stored").shell("nats stream info %s", of)
	}
	for _, p := range cluster.Replicas {
		if p.Offline || !p.Current {
			return check(name, of, Warn, "the copy on %s is away or behind (%d operations)", p.Name, p.Lag).shell("nats stream info %s", of)
		}
	}
	// What is below the configured number is a finding on the stream.
	if have < fewestCopies && servers >= fewestCopies && have >= se.o.Streams.Replicas {
		return check(name, of, Warn, "%d, and the cluster %s has %d servers: when that of the stream is away nothing is stored, and what its disk lost is lost; set publisher.replicas to %d too",
			have, cluster.Name, servers, fewestCopies).shell("%s", events.Edit(fmt.Sprintf("--replicas=%d", fewestCopies)))
	}
	return check(name, of, Pass, "%d, in the cluster %s, all of them current", have, cluster.Name)
}

// servers returns the number of servers of the cluster that the connection knows. A name in
// nats.url stands for one that tells its address too, so it does not count.
func (se *Session) servers() int {
	known := map[string]bool{}
	discovered := se.nc.DiscoveredServers()
	for _, s := range se.nc.Servers() {
		u, err := url.Parse(s)
		if err == nil && (slices.Contains(discovered, s) || net.ParseIP(u.Hostname()) != nil) {
			known[u.Host] = true
		}
	}
	return max(len(known), 1)
}

// permissions finds out whether this user may publish, without storing anything:
// JetStream refuses what is meant for another stream. The kind is one that consumers
// ignore, and the reason of a refused body one that there is not.
func (se *Session) permissions(ctx context.Context, events, quarantine streams.State) []Check {
	p := se.client.Prefix()
	return []Check{
		se.mayPublish(ctx, events, p.Subject(schema.KindBridgeProbe)),
		se.mayPublish(ctx, quarantine, p.Quarantine("bridge-probe")),
	}
}

func (se *Session) mayPublish(ctx context.Context, s streams.State, subject string) Check {
	const name = "permissions"
	if s.Info != nil && s.Info.Config.NoAck {
		return check(name, s.Name, Skip, "the stream acknowledges nothing")
	}
	var ack struct {
		Stream string `json:"stream"`
		Error  *struct {
			Code uint16 `json:"err_code"`
		} `json:"error"`
	}
	err := se.within(ctx, func(ctx context.Context) error {
		m := &nats.Msg{Subject: subject, Header: nats.Header{jetstream.ExpectedStreamHeader: {"none-of-doctor"}}}
		reply, err := se.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		return json.Unmarshal(reply.Data, &ack)
	})
	switch {
	case errors.Is(err, nats.ErrNoResponders) && s.Info != nil && captures(s.Info.Config.Subjects, subject):
		return unmapped(check(name, s.Name, Fail, "the stream captures %s, and what is published there does not reach it: a mapping of the account, or an import, takes it elsewhere", subject), s)
	case errors.Is(err, nats.ErrNoResponders):
		return check(name, s.Name, Skip, "no stream captures %s", subject)
	case err != nil:
		return se.failed(name, s.Name, err)
	case ack.Error == nil || server.ErrorIdentifier(ack.Error.Code) != server.JSStreamNotMatchErr:
		return check(name, s.Name, Warn, "what answers on %s does not answer as JetStream does", subject).shell("nats stream ls --subject '%s'", subject)
	}
	if s.Info != nil && ack.Stream != "" && ack.Stream != s.Name {
		if !captures(s.Info.Config.Subjects, subject) { // which is a finding on the stream
			return check(name, s.Name, Skip, "stream %s captures %s", ack.Stream, subject)
		}
		return unmapped(check(name, s.Name, Fail, "what is published to %s reaches stream %s: a mapping of the account takes it there", subject, ack.Stream), s)
	}
	return check(name, s.Name, Pass, "this user may publish to %s", subject)
}

// unmapped adds the fix for a mapping that takes subjects of a stream away. With another prefix
// alone the bridge would stand before its own stream of the old one; and for the quarantine alone
// no events move.
func unmapped(c Check, s streams.State) Check {
	if !s.Required {
		return c.shell("nats stream info %s  # its subjects are mapped away: whoever set the mapping would leave them; events are not concerned", s.Name)
	}
	c = c.set("publisher.subject_prefix", "<a prefix that no mapping of the account has>")
	c.Fix += " " + Setting("publisher.stream", "<a name that no other stream has>")
	return c
}

// captures reports whether one of the filters covers a subject.
func captures(filters []string, subject string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return server.SubjectMatchesFilter(subject, f) })
}

// overhead bounds the bytes of an envelope around the body, with headers.
const overhead = 64 * value.KiB

// largestPayload is the largest max_payload that nats-server accepts.
const largestPayload = 64 * value.MiB

// payload holds the server's limit against the largest body that is let in.
func (se *Session) payload(events streams.State) Check {
	const name = "payload"
	have, body := se.nc.MaxPayload(), se.o.MaxBody
	whose := "the server's max_payload"
	if events.Info != nil {
		if own := int64(events.Info.Config.MaxMsgSize); own > 0 && own < have {
			have, whose = own, "max_msg_size of the stream"
		}
	}
	needed, roomy := int64(body+overhead), min(2*body+value.MiB, largestPayload)
	switch {
	case have >= int64(roomy):
		return check(name, "", Pass, "%s is %s, ingress.max_body %s", whose, value.FormatBytes(have), value.FormatBytes(body))
	case have >= needed:
		return check(name, "", Pass, "%s is %s, ingress.max_body %s; the largest envelopes go without the copies of messages and session_keys", whose, value.FormatBytes(have), value.FormatBytes(body))
	}
	c := check(name, "", Warn, "%s is %s, ingress.max_body %s: a body above the former is answered 413, and Treble does not send it again", whose, value.FormatBytes(have), value.FormatBytes(body))
	switch {
	case whose != "the server's max_payload":
		return c.shell("%s", events.Edit("--max-msg-size=-1"))
	case se.o.embedded():
		return c.shell("treble-bridge serve  # after the running one has ended: its limit is of another configuration")
	}
	return c.server("max_payload: %d", int64(roomy))
}
