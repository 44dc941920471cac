package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/schema"
)

// probe sends an event through each source of the running bridge.
func (d *command) probe(ctx context.Context, session *diagnose.Session) []diagnose.Check {
	leftOut := func(why string) []diagnose.Check {
		return []diagnose.Check{{Name: "probe", Status: diagnose.Skip, Detail: why}}
	}
	switch {
	case d.noProbe:
		return leftOut("left out (--no-probe): whether an event comes through was not tried")
	case !d.running:
		return leftOut("no bridge answers")
	case session == nil:
		return leftOut("NATS cannot be reached, so nobody can see it arrive")
	}
	bridge, err := webhook.OpenBridge(&d.config.Config, "", http.Header{}, "", webhook.NewClient(d.timeout, 1))
	if err != nil {
		return []diagnose.Check{{Name: "probe", Status: diagnose.Fail, Detail: err.Error(), Fix: "treble-bridge config check"}}
	}
	defer bridge.Client.CloseIdleConnections()
	var checks []diagnose.Check
	for _, s := range d.config.EffectiveSources() {
		checks = append(checks, d.probeSource(ctx, session, bridge, s))
	}
	return checks
}

// probeSource sends one event as Treble would send it to a source.
func (d *command) probeSource(ctx context.Context, session *diagnose.Session, bridge *webhook.Bridge, s ingress.SourceConfig) diagnose.Check {
	c := diagnose.Check{Name: "probe", Of: s.Name, Status: diagnose.Fail}
	id := diagnose.NewProbeID()
	watch, err := session.Watch(ctx, id)
	if err != nil {
		c.Detail = fmt.Sprintf("the stream cannot be read: %v", err)
		c.Fix = "treble-bridge health"
		return c
	}
	defer watch.Stop()
	body, err := json.Marshal(map[string]string{"event_type": string(schema.KindBridgeProbe), "event_id": id})
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	to := url.URL{Scheme: bridge.Base.Scheme, Host: bridge.Base.Host, Path: webhook.ConcretePath(s)}
	posted := time.Now()
	answer := webhook.Poster{URL: to.String(), Header: bridge.Headers[s.Name], Signer: bridge.Signers[s.Name], Client: bridge.Client}.Post(ctx, body)
	answered := posted.Add(answer.Took)
	if !answer.OK {
		if answer.Status == "401" && s.Auth.NotBySecretAlone() {
			c.Status = diagnose.Skip
			c.Detail = "refused (401): the source looks at addresses or certificates of clients too (auth.ip, auth.mtls), and this is none of its clients: whether an event comes through was not tried"
			return c
		}
		d.refused(&c, answer, to.Path)
		return c
	}
	wait, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	seq, read, err := watch.Wait(wait)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c.Detail = fmt.Sprintf("answered 200 after %s, and not in the stream %s later: it waits in the journal, and its message stays when it comes", milliseconds(answer.Took), d.timeout)
		c.Fix = "treble-bridge journal status"
		return c
	case err != nil:
		c.Detail = fmt.Sprintf("answered 200 after %s, and the stream cannot be read: %v; its message stays", milliseconds(answer.Took), err)
		c.Fix = "treble-bridge health"
		return c
	}
	stages := diagnose.Stages{
		Answered: inMilliseconds(answer.Took),
		Stored:   inMilliseconds(max(read.Sub(answered), 0)),
		Total:    inMilliseconds(max(read.Sub(posted), answer.Took)),
	}
	c.Stages = &stages
	c.Status = diagnose.Pass
	c.Detail = fmt.Sprintf("post to 200 %.1f ms, 200 to stream %.1f ms, total %.1f ms; its message is deleted", stages.Answered, stages.Stored, stages.Total)
	d.removeProbe(ctx, &c, watch, seq)
	return c
}

// removeProbe deletes the probe's message from the stream, and adds to the check what went wrong with it.
func (d *command) removeProbe(ctx context.Context, c *diagnose.Check, watch *diagnose.Watch, seq uint64) {
	remove, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := d.noteProbe(remove, seq); err != nil {
		c.Detail += fmt.Sprintf("; the bridge could not be told (%v): if NATS is started again within half a minute, it may be put back", err)
	}
	if err := watch.Remove(remove, seq); err != nil {
		c.Status = diagnose.Warn
		c.Detail = fmt.Sprintf("post to stream %.1f ms, and its message (sequence %d) cannot be deleted: %v; it stays until max_age, and consumers ignore it", c.Stages.Total, seq, err)
		c.Fix = "treble-bridge doctor --no-probe  # or allow this user to delete messages: deployments/nats/permissions.conf"
	}
}

// noteProbe tells the bridge that its probe is removed on purpose: else it would heal it when
// NATS is started again soon.
func (d *command) noteProbe(ctx context.Context, seq uint64) error {
	dir, err := forget.OpenDataDir(ctx, d.config.DataDir, nil, schema.StreamName(d.config.Publisher.Stream), d.config.Journal.Retain)
	if err != nil || dir == nil {
		return err
	}
	return dir.NoteEvents(ctx, seq)
}

// refused explains an answer other than 200.
func (d *command) refused(c *diagnose.Check, answer webhook.Result, path string) {
	c.Fix = "treble-bridge health"
	switch answer.Status {
	case "401":
		c.Detail = "the running bridge refuses the configured secret of this source (401): it runs with another configuration"
		c.Fix = d.restartLine()
	case "404", "405":
		c.Detail = fmt.Sprintf("the running bridge does not serve %s (%s): it runs with another configuration", path, answer.Status)
		c.Fix = d.restartLine()
	case "503", "504":
		c.Detail = fmt.Sprintf("the bridge takes no events (%s)", answer.Status)
	default:
		c.Detail = fmt.Sprintf("the bridge does not take it: %s", answer.Status)
	}
}

func inMilliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", inMilliseconds(d)) }
