package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// State is a stream that the bridge needs, as it is now.
type State struct {
	Name     string
	Required bool                  // without it no event is stored
	Info     *jetstream.StreamInfo // nil if it does not exist
	Findings []Finding             // those that a running bridge has
	Create   string                // the command that makes it
	MaxBytes int64                 // with which the bridge makes it; 0 or less: unlimited

	want wantedStream
}

// Edit is the command that changes a setting of the stream; of one that is not plainly the
// bridge's own, it asks the owner.
func (s State) Edit(flags string) string {
	if s.Info == nil {
		return s.Create
	}
	c := comparison{want: s.want, have: s.Info.Config}
	return c.edit(flags).line
}

// Inspect returns the streams of the bridge, that of the events and the quarantine, with the
// findings that a running bridge has. It changes nothing. A stream that does not exist is a
// finding only if the bridge will not make it when it starts.
func Inspect(ctx context.Context, c *broker.Conn, spec Spec) ([]State, error) {
	var all []State
	js, nc := c.JetStream(), c.NATS()
	for _, w := range wantedStreams(spec) {
		s := State{Name: w.Name, Required: w.required, Create: createLine(w), MaxBytes: w.bytesAtCreation(), want: w}
		began := time.Now()
		stream, err := js.Stream(ctx, w.Name)
		err = c.Explain(err, w.Name, began)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			if len(all) > 0 && all[0].Info != nil && all[0].want.belongsToAnother(all[0].Info.Config) {
				s.Findings = []Finding{w.withEvents(ctx, js)}
			} else {
				s.Findings, err = w.cannotBeMade(ctx, js)
			}
		case err == nil:
			s.Info = stream.CachedInfo()
			s.Findings = compare(w, s.Info.Config, factsOf(nc, nc.MaxPayload(), s.Info.State.Consumers,
				func() fix { return w.giveWay(ctx, js, w.Name) }))
		}
		if err != nil {
			return nil, fmt.Errorf("look at stream %s: %w", w.Name, c.Config().ExplainNoResponders(err))
		}
		s.Findings, s.Create = placed(s.Findings, c.Config()), Placed(s.Create, c.Config())
		all = append(all, s)
	}
	if have := all[0].Info; have != nil {
		events := eventStream(spec)
		found := borrowed(events, have.Config, all[1].Findings, func() fix { return events.move(ctx, js) })
		all[0].Findings = append(all[0].Findings, found...)
	}
	return all, nil
}

// cannotBeMade returns what keeps the bridge from making a stream that is not
// there, as far as that can be told without trying.
func (w wantedStream) cannotBeMade(ctx context.Context, js jetstream.JetStream) ([]Finding, error) {
	_, err := js.StreamNameBySubject(ctx, w.Subjects[0])
	switch {
	case err == nil:
		return []Finding{w.overlap(ctx, js)}, nil
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, err
	case w.checkOnly:
		return []Finding{w.leftOut()}, nil
	}
	return nil, nil
}

// leftOut returns the finding on a stream that does not exist.
func (w wantedStream) leftOut() Finding {
	return w.absent("it does not exist, and publisher.streams is check", inShell("%s", createLine(w)))
}

// withEvents is the finding on a quarantine that is not made since the stream of the events is that
// of another bridge, whose quarantine would have the same name.
func (w wantedStream) withEvents(ctx context.Context, js jetstream.JetStream) Finding {
	return w.absent(fmt.Sprintf("it does not exist, and is not made while %s is not this bridge's", w.spec.Events), w.move(ctx, js))
}

// overlap is the finding on a stream whose subjects another one has, which is not ours: the
// other stream stays as it is.
func (w wantedStream) overlap(ctx context.Context, js jetstream.JetStream) Finding {
	all := w.Subjects[0]
	other := "another stream"
	name, err := js.StreamNameBySubject(ctx, all)
	if err == nil {
		other = name
	}
	problem := fmt.Sprintf("it does not exist, and %s captures subjects of %s", other, all)
	if w.required {
		problem += "; if that is this bridge's own under another name, set publisher.stream to it"
	}
	return w.absent(problem, w.giveWay(ctx, js, name))
}

// giveWay is the fix for a stream that is in the way, which is not ours. The stream of the events
// moves with its consumers; not for the sake of the quarantine alone, where its owner is asked,
// unless the events are in a stream that nobody gave to the bridge.
func (w wantedStream) giveWay(ctx context.Context, js jetstream.JetStream, other string) fix {
	if w.required {
		return w.move(ctx, js)
	}
	events := eventStream(w.spec)
	s, err := js.Stream(ctx, events.Name)
	if err != nil || !events.meantForUs(s.CachedInfo().Config) {
		return w.move(ctx, js)
	}
	if other == "" {
		return inShell("nats stream ls --subject '%s'  # the owner of that stream would leave them to the bridge", w.Subjects[0])
	}
	return ask(other, "its owner would leave %s to the bridge, which then keeps refused bodies in %s; events are not concerned", w.Subjects[0], w.Name)
}

// borrowed is the finding on an event stream that captures all of ours only by a wider subject,
// if the quarantine shows that it is not the bridge's: then events go into another's stream.
// A stream with other subjects beside ours, or one that serves all we need, is nothing to report.
func borrowed(events wantedStream, have jetstream.StreamConfig, quarantine []Finding, move func() fix) []Finding {
	unusable := func(f Finding) bool { return f.Severity == Unusable }
	if have.Mirror != nil || events.meantForUs(have) || len(uncovered(have.Subjects, events.subjects)) > 0 || !slices.ContainsFunc(quarantine, unusable) {
		return nil
	}
	f := move()
	return []Finding{{
		Stream: events.Name, Severity: Weak, Fix: f.line, FixIn: f.in,
		Problem: fmt.Sprintf("it takes %s, which is more than the %s of this bridge, and its events are stored among those of others; with another prefix and stream, consumers move too",
			strings.Join(have.Subjects, ", "), events.Subjects[0]),
	}}
}

func (w wantedStream) absent(problem string, f fix) Finding {
	return Finding{Stream: w.Name, Problem: problem, Fix: f.line, FixIn: f.in, Severity: Unusable}
}

// createLine is the command that makes the stream as the bridge would.
func createLine(w wantedStream) string {
	discard := DiscardNew
	if w.Discard == jetstream.DiscardOld {
		discard = DiscardOld
	}
	line := fmt.Sprintf("nats stream add %s --subjects %s --storage=file --retention=limits --discard=%s --replicas=%d --dupe-window=%s",
		w.Name, quoteJoin(w.Subjects), discard, w.Replicas, value.FormatDuration(w.Duplicates))
	if w.AllowAtomicPublish {
		line += " --allow-batch"
	}
	if w.AllowBatchPublish {
		line += " --allow-fast"
	}
	if w.MaxAge > 0 {
		line += " --max-age=" + value.FormatDuration(w.MaxAge)
	}
	if size := w.bytesAtCreation(); size > 0 {
		line += fmt.Sprintf(" --max-bytes=%d", size)
	}
	return line + " --defaults"
}
