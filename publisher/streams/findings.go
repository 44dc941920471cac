package streams

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// Finding is a difference between a stream and the needs of the bridge.
type Finding struct {
	Stream   string
	Problem  string // what is wrong, and what it means for the events
	Fix      string // the line that mends it; it never deletes anything
	FixIn    string // where to put it: InShell, …
	Severity Severity
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Unusable Severity = "unusable" // nothing can be stored until it is mended
	Weak     Severity = "weak"     // events are stored, but the promise is weaker than configured
	Slow     Severity = "slow"     // events are stored as promised, and something is slower, or refused to those who read
)

// String formats the finding as one line.
func (f Finding) String() string {
	return fmt.Sprintf("stream %s: %s%s", f.Stream, f.Problem, FixClause(f.Fix, f.FixIn))
}

// serverFacts are the properties of the server that the judgement of a stream depends on.
type serverFacts struct {
	maxPayload int64
	batches    bool // it knows atomic batches
	fast       bool // it knows fast-ingest batches
	consumers  int  // that the stream has
	version    string
	move       func() fix // see wantedStream.giveWay
}

// factsOf returns those of the server that a connection leads to.
func factsOf(nc *nats.Conn, maxPayload int64, consumers int, move func() fix) serverFacts {
	version := nc.ConnectedServerVersion()
	return serverFacts{
		move: move, maxPayload: maxPayload, consumers: consumers, version: version,
		batches: client.AtLeast(version, 2, 12), fast: client.AtLeast(version, 2, 14),
	}
}

var newerServer = inServer("# nats-server %d.%d or later; from 2.12 on events leave in batches, from 2.14 on in faster ones", client.OldestServer[0], client.OldestServer[1])

// TooOld says that the server of a connection is too old, and what mends it; "" if it is not.
func TooOld(version string) (problem, fix string) { return client.TooOld(version), newerServer.line }

// compare returns what is wrong with an existing stream.
func compare(w wantedStream, have jetstream.StreamConfig, server serverFacts) []Finding {
	c := comparison{want: w, have: have, move: server.move}
	if c.move == nil {
		c.move = func() fix { return w.move(context.Background(), nil) }
	}
	if f := client.TooOld(server.version); f != "" && w.required {
		c.add(Weak, newerServer, "%s", f)
	}
	c.use()
	if have.Mirror != nil {
		return c.findings // it takes no publish, and not every setting of a stream; another one is to be used
	}
	c.storage(server.version)
	c.limits(server.maxPayload)
	c.copies()
	c.readers(server)
	if server.batches && w.AllowAtomicPublish && !have.AllowAtomicPublish {
		c.add(Slow, c.edit("--allow-batch"), "it allows no atomic batches (allow_atomic), so events leave one at a time; publisher.batches: false says that this is wanted")
	}
	if w.lacksFast(have, server) {
		c.add(Slow, c.edit("--allow-fast"), "it allows no fast-ingest batches (allow_batched), which cost nats-server half as much without replicas; publisher.batches: false says that batches are not wanted")
	}
	return c.findings
}

type comparison struct {
	want     wantedStream
	have     jetstream.StreamConfig
	move     func() fix
	findings []Finding
}

func (c *comparison) add(s Severity, f fix, problem string, args ...any) {
	c.findings = append(c.findings, Finding{
		Stream:   c.have.Name,
		Problem:  fmt.Sprintf(problem, args...),
		Fix:      f.line,
		FixIn:    f.in,
		Severity: s,
	})
}

// edit is the command that changes one setting, of a stream that is plainly ours.
func (c *comparison) edit(flag string) fix {
	if !c.want.owns(c.have) {
		return ask(c.have.Name, "it has %s too, so it may not be the bridge's alone: its owner would set %s", strings.Join(c.want.foreign(c.have), ", "), flag)
	}
	return fix{editStream(c.have.Name, flag), InShell}
}

// use finds what keeps events out of the stream altogether.
func (c *comparison) use() {
	switch {
	case c.have.Mirror != nil:
		c.add(Unusable, c.move(), "it is a mirror of %s; nothing can be published to it", c.have.Mirror.Name)
		return
	case c.have.Sealed:
		c.add(Unusable, c.want.startAnew(), "it is sealed; nothing can be published to it")
	}
	missing := uncovered(c.have.Subjects, c.want.subjects)
	switch {
	case len(missing) == 0:
	case c.want.belongsToAnother(c.have):
		c.add(Unusable, c.move(), "it is not this bridge's: it takes %s, and nothing of %s, so the bridge leaves it as it is; with another prefix and stream, consumers move too",
			strings.Join(c.have.Subjects, ", "), c.want.Subjects[0])
	case !c.want.owns(c.have):
		c.add(Unusable, ask(c.have.Name, "its owner would add %s to its subjects", strings.Join(missing, ", ")),
			"it does not capture %s, and it takes %s too, so the bridge leaves its subjects as they are", strings.Join(missing, ", "), strings.Join(c.want.foreign(c.have), ", "))
	default:
		c.add(Unusable, c.edit("--subjects "+quoteJoin(widen(c.have.Subjects, c.want.Subjects))),
			"it does not capture %s", strings.Join(missing, ", "))
	}
	if c.have.AllowMsgCounter {
		c.add(Unusable, c.want.startAnew(), "it is a stream of counters (allow_msg_counter); it takes no events")
	}
	if c.have.NoAck {
		c.add(Unusable, c.edit("--ack"), "it acknowledges nothing (no_ack); every event would be answered with \"outcome unknown\"")
	}
	if t := c.have.SubjectTransform; t != nil {
		c.add(Weak, c.edit("--no-transform"), "it renames subjects (%s to %s); consumers would not find the events", t.Source, t.Destination)
	}
}

// storage finds what loses events that are stored.
func (c *comparison) storage(version string) {
	if c.have.Storage != jetstream.FileStorage {
		c.add(Weak, c.want.startAnew(), "it is in memory; a restart of the server loses every event")
	}
	if c.have.PersistMode == jetstream.AsyncPersistMode {
		c.add(Weak, c.want.startAnew(), "it acknowledges before it writes (persist_mode async)")
	}
	switch c.have.Retention {
	case jetstream.WorkQueuePolicy:
		c.add(Weak, c.want.startAnew(), "its retention is workqueue; an event that one service took is gone for the others and for replays, and commands read it message by message")
	case jetstream.InterestPolicy:
		mend := c.edit("--retention=limits")
		if client.TooOld(version) != "" {
			mend = c.want.startAnew() // such a server changes no retention
		}
		c.add(Weak, mend, "its retention is interest; an event that nobody waits for is gone at once, and one that all took is gone for replays")
	}
	if c.have.DenyDelete {
		c.add(Weak, c.want.startAnew(), "it lets nobody delete a message (deny_delete); forget and quarantine drop cannot do their work")
	}
}

// readers finds what refuses those who read the stream, or slows them. The bridge itself compares
// its journal with the stream in any case.
func (c *comparison) readers(server serverFacts) {
	consumers := server.consumers
	if most := c.have.MaxConsumers; most > 0 && consumers >= most {
		mend := c.edit("--max-consumers=-1")
		if server.version != "" && !client.AtLeast(server.version, 2, 14) {
			// Older servers answer that this cannot be changed; the last ones of 2.12 can.
			mend = ask(c.have.Name, "nats-server %s may refuse to change max_consumers, 2.14 does not; else a consumer that nobody uses can go, or the stream is made anew (docs/operations.md)", server.version)
		}
		c.add(Slow, mend, "it has %d of %d consumers; another service is refused, and the bridge and its commands read it message by message", consumers, most)
	}
	if limit := c.have.ConsumerLimits.InactiveThreshold; limit > 0 && limit < client.FollowAbandoned {
		c.add(Slow, c.want.startAnew(), "it takes no consumer that lives unused for more than %s (consumer_limits); the commands read it message by message", limit)
	}
	if !c.have.AllowDirect {
		c.add(Slow, c.edit("--allow-direct"), "it allows no direct gets (allow_direct), so every single message is asked of its leader")
	}
}

// limits finds what removes events early, or refuses them.
func (c *comparison) limits(maxPayload int64) {
	if weaker(int64(c.have.MaxAge), int64(c.want.MaxAge)) {
		c.add(Weak, c.edit("--max-age="+value.FormatDuration(c.want.MaxAge)), "it keeps events for %s, configured is %s",
			c.have.MaxAge, orUnlimited(int64(c.want.MaxAge), c.want.MaxAge.String()))
	}
	if c.want.maxBytesAtCreation == nil && weaker(c.have.MaxBytes, c.want.MaxBytes) {
		c.add(Weak, c.edit(fmt.Sprintf("--max-bytes=%d", c.want.MaxBytes)), "it holds %d bytes, configured is %s",
			c.have.MaxBytes, orUnlimited(c.want.MaxBytes, fmt.Sprint(c.want.MaxBytes)))
	}
	if c.have.MaxMsgs > 0 {
		c.add(Weak, c.edit("--max-msgs=-1"), "it holds %d messages at most", c.have.MaxMsgs)
	}
	switch n := c.have.MaxMsgsPerSubject; {
	case n > 0 && c.have.DiscardNewPerSubject:
		c.add(Weak, c.edit("--no-discard-per-subject --max-msgs-per-subject=-1"), "it holds %d messages of each kind at most, and then refuses that kind (discard_new_per_subject)", n)
	case n > 0:
		c.add(Weak, c.edit("--max-msgs-per-subject=-1"), "it holds %d messages of each kind at most", n)
	}
	if size := int64(c.have.MaxMsgSize); size > 0 && size < maxPayload {
		c.add(Weak, c.edit("--max-msg-size=-1"), "it takes messages of %d bytes at most, the server takes %d", size, maxPayload)
	}
	if limited := c.have.MaxBytes > 0 || c.have.MaxMsgs > 0; limited && c.have.Discard == jetstream.DiscardOld && c.want.Discard == jetstream.DiscardNew {
		c.add(Weak, c.edit("--discard=new"), "when it is full it drops the oldest events silently (discard old)")
	}
}

// copies finds missing replicas and a short duplicate window.
func (c *comparison) copies() {
	if c.have.Replicas < c.want.Replicas {
		c.add(Weak, c.edit(fmt.Sprintf("--replicas=%d", c.want.Replicas)), "it has %d replicas, configured are %d", c.have.Replicas, c.want.Replicas)
	}
	if c.have.Duplicates < c.want.Duplicates {
		c.add(Weak, c.edit("--dupe-window="+value.FormatDuration(c.want.Duplicates)), "it drops repeated events for %s, configured is %s", c.have.Duplicates, c.want.Duplicates)
	}
}

// uncovered returns those of subjects that none of the filters covers.
func uncovered(filters, subjects []string) []string {
	var missing []string
	for _, s := range subjects {
		if !slices.ContainsFunc(filters, func(f string) bool { return server.SubjectMatchesFilter(s, f) }) {
			missing = append(missing, s)
		}
	}
	return missing
}

// widen returns have and want together, without those of have that want
// covers: JetStream takes no overlapping subjects.
func widen(have, want []string) []string {
	out := slices.Clone(want)
	for _, s := range have {
		if len(uncovered(want, []string{s})) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func quoteJoin(subjects []string) string {
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = "'" + s + "'"
	}
	return strings.Join(quoted, " --subjects ")
}

func orUnlimited(n int64, text string) string {
	if n <= 0 {
		return "no limit"
	}
	return text
}
