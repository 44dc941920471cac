package replay

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// ErrCaptured: the event stream captures the subjects of the target, and
// Spec.Force is not set.
var ErrCaptured = errors.New("the event stream captures it")

// ErrNoStream: no stream captures the subjects of the target.
var ErrNoStream = errors.New("no stream captures it")

// eventStream looks at the stream of the events.
func eventStream(ctx context.Context, c *client.Client) (*jetstream.StreamInfo, error) {
	s, err := c.Stream(ctx, string(c.Events()))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, finalError{err}
	}
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// plan checks a target as far as that changes nothing. Captured are the subjects
// of the event stream.
func plan(ctx context.Context, c *client.Client, run string, s Spec, captured []string) (targetDetail, error) {
	d := targetDetail{To: s.Target.To, Subject: s.Target.Subject}
	switch d.To {
	case ToURL:
		d.Host = s.Target.URL.host()
		return d, nil
	case ToFile:
		d.File = s.Target.File
		if d.File == "-" {
			return d, nil
		}
		var err error
		d.File, err = filepath.Abs(d.File)
		return d, err
	}
	if d.To == ToStream && d.Subject == "" {
		d.Stream = c.Events().Replay()
		d.Subject = c.Prefix().Replay(run, kindPart)
		return d, nil
	}
	if err := checkSubject(d.Subject); err != nil {
		return d, err
	}
	subjects := subjectsOf(d.Subject, s.Filter.Kinds)
	for _, subject := range subjects {
		for _, have := range captured {
			if server.SubjectsCollide(subject, have) && !s.Force {
				return d, fmt.Errorf("subject %s: %w (%s on %s)", subject, ErrCaptured, c.Events(), have)
			}
		}
	}
	for _, subject := range subjects {
		name, err := c.JetStream().StreamNameBySubject(ctx, subject)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return d, fmt.Errorf("subject %s: %w", subject, ErrNoStream)
		case err != nil:
			return d, fmt.Errorf("look for the stream of subject %s: %w", subject, err)
		case d.Stream != "" && d.Stream != name:
			return d, fmt.Errorf("subject %s goes to stream %s, and %s to %s: a run has one stream; choose kinds, or another subject", subjects[0], d.Stream, subject, name)
		}
		d.Stream = name
	}
	return d, nil
}

// subjectsOf are the subjects of the chosen kinds, all if none is chosen.
func subjectsOf(subject string, kinds []schema.Kind) []string {
	if subjectPattern(subject) == subject {
		return []string{subject}
	}
	if len(kinds) == 0 {
		kinds = schema.Kinds()
	}
	var all []string
	for _, k := range kinds {
		all = append(all, subjectFor(subject, k))
	}
	return all
}

// makeTarget makes the replay stream if it is missing, and notes which stream the
// run stores into.
func (r *Run) makeTarget(ctx context.Context) error {
	t := &r.detail.Target
	if t.To != ToStream || !r.detail.TargetCreated.IsZero() {
		return nil
	}
	js := r.client.JetStream()
	s, err := r.client.Stream(ctx, t.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && r.spec.Target.Subject == "" {
		s, err = r.opts.Streams.MakeReplay(ctx, js)
	}
	if err != nil {
		return fmt.Errorf("open stream %s: %w", t.Stream, err)
	}
	info := s.CachedInfo()
	for _, subject := range subjectsOf(t.Subject, r.spec.Filter.Kinds) {
		if name, err := js.StreamNameBySubject(ctx, subject); err == nil && name != t.Stream {
			return fmt.Errorf("stream %s captures subject %s, which is for stream %s: change its subjects", name, subject, t.Stream)
		} else if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s does not capture subject %s: add it", t.Stream, subject)
		} else if err != nil {
			return fmt.Errorf("look for the stream of subject %s: %w", subject, err)
		}
	}
	if info.Config.NoAck {
		return fmt.Errorf("stream %s acknowledges nothing (no_ack), so nobody could know what it has", t.Stream)
	}
	r.detail.TargetCreated = info.Created
	r.detail.Checkpoint.Target = info.State.LastSeq
	return nil
}

// open opens the target for this process.
func (r *Run) open(l *lease) (target, error) {
	at, t := r.detail.Checkpoint, r.detail.Target
	switch t.To {
	case ToStream:
		return &streamTarget{client: r.client, run: r.name, stream: t.Stream, subject: t.Subject, made: r.detail.TargetCreated,
			lease: l, progress: progress{at: at}}, nil
	case ToURL:
		return newURLTarget(r.spec.Target.URL, r.name, at), nil
	}
	return openFile(t.File, r.opts.Out, r.held.Run != "", at)
}
