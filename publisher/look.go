package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamState is a stream that the bridge needs, as it is now.
type StreamState struct {
	Name     string
	Required bool                  // without it no event is stored
	Info     *jetstream.StreamInfo // nil if it does not exist
	Findings []Finding             // those that a running bridge has
	Create   string                // the command that makes it
	MaxBytes int64                 // with which the bridge makes it; 0 or less: unlimited
}

// Streams looks at the streams of the bridge, that of the events and the quarantine,
// with the eyes of a running one. It changes nothing. A stream that does not exist is a
// finding only if the bridge will not make it when it starts. dataDir is that of
// the bridge, of which the size of an embedded store follows.
func (c *Client) Streams(ctx context.Context, embedded bool, dataDir string) ([]StreamState, error) {
	var all []StreamState
	for _, w := range wantedStreams(c.cfg, embedded, dataDir) {
		s := StreamState{Name: w.Name, Required: w.required, Create: createLine(w), MaxBytes: w.create().MaxBytes}
		stream, err := c.js.Stream(ctx, w.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			s.Findings, err = w.cannotBeMade(ctx, c.js)
		case err == nil:
			s.Info = stream.CachedInfo()
			s.Findings = compare(w, s.Info.Config, factsOf(c.nc, c.nc.MaxPayload(), s.Info.State.Consumers))
		}
		if err != nil {
			return nil, fmt.Errorf("look at stream %s: %w", w.Name, c.conn.Config().Nobody(err))
		}
		s.Findings, s.Create = placed(s.Findings, c.conn.Config()), Placed(s.Create, c.conn.Config())
		all = append(all, s)
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
	case w.byHand:
		return []Finding{w.leftOut()}, nil
	}
	return nil, nil
}

// leftOut is the finding on a stream that nobody made.
func (w wantedStream) leftOut() Finding {
	return w.absent("it does not exist, and publisher.streams is check", inShell("%s", createLine(w)))
}

// overlap is the finding on a stream whose subjects another one has, which is not ours: the
// bridge takes other subjects, and the other stream stays as it is.
func (w wantedStream) overlap(ctx context.Context, js jetstream.JetStream) Finding {
	all := w.Subjects[0]
	other := "another stream"
	if name, err := js.StreamNameBySubject(ctx, all); err == nil {
		other = name
	}
	return w.absent(fmt.Sprintf("it does not exist, and %s captures subjects of %s; if that is this bridge's own under another name, set publisher.stream to it", other, all),
		w.freePrefix(ctx, js))
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
		w.Name, quoteJoin(w.Subjects), discard, w.Replicas, cliDuration(w.Duplicates))
	if w.AllowAtomicPublish {
		line += " --allow-batch"
	}
	if w.MaxAge > 0 {
		line += " --max-age=" + cliDuration(w.MaxAge)
	}
	if size := w.create().MaxBytes; size > 0 {
		line += fmt.Sprintf(" --max-bytes=%d", size)
	}
	return line + " --defaults"
}
