package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Options are those of one process of a run; another one may resume it with others.
type Options struct {
	Streams  streams.Spec     // of the bridge
	Who      string           // user@host, for the record
	Rate     float64          // events a second; 0: no limit
	GiveUp   time.Duration    // how long without progress until it fails; 0: 5 minutes
	Out      io.Writer        // for the file "-"
	Progress func(done int64) // called from time to time by Do's goroutine; may be nil

	// Exact has Count read every message, so that what is no event is not counted.
	Exact bool
}

const defaultGiveUp = 5 * time.Minute

// Run is a planned or running replay. One
// goroutine may use it.
type Run struct {
	client *client.Client
	opts   Options
	name   string
	spec   Spec
	detail detail
	held   audit.Versioned // of a resumed run
	total  int64           // events chosen; -1: not counted

	skipped int64 // messages that are no events, as far as Count or Do has read
}

// Result is the outcome of a run.
type Result struct {
	Run      string
	State    string // audit.Done, …
	Total    int64  // events chosen; -1: not counted
	Replayed int64  // of them those that the target has
	Skipped  int64  // messages that were chosen and are no events of the bridge
	Sequence uint64 // of the event stream: all up to it is done

	// Resumable: the run is not done, and Resume can take it up.
	Resumable bool
}

// New plans a run: it checks the target and fixes the end. Nothing is written.
func New(ctx context.Context, c *client.Client, s Spec, o Options) (*Run, error) {
	name := audit.NewRun(Action)
	r := &Run{client: c, opts: o, name: name, spec: s, total: -1}
	source, err := eventStream(ctx, c)
	if err != nil {
		return nil, err
	}
	end := source.State.LastSeq
	if s.Filter.ToSeq > 0 {
		end = min(end, s.Filter.ToSeq)
	}
	r.detail = detail{Filter: detailOf(s.Filter), Limit: s.Limit, End: end, Created: source.Created}
	if r.detail.Target, err = plan(ctx, c, name, s, source.Config.Subjects); err != nil {
		return nil, err
	}
	return r, nil
}

// Name is that of the run.
func (r *Run) Name() string { return r.name }

// Filter says in words which events are chosen, without the values that name a person.
func (r *Run) Filter() string { return r.detail.Filter.words() }

// Target says in words where the events go.
func (r *Run) Target() string { return r.detail.Target.words() }

// To is the kind of target: ToStream, …
func (r *Run) To() string { return r.detail.Target.To }

// Done returns the number of events that earlier processes replayed.
func (r *Run) Done() int64 { return r.detail.Checkpoint.Done }

// Skipped returns the number of chosen messages that are no events of the bridge, as far as Count
// has read.
func (r *Run) Skipped() int64 { return r.skipped }

// Do replays. When ctx ends it waits for what is in flight and leaves the record
// as stopped. The result is valid beside an error too.
func (r *Run) Do(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if r.opts.GiveUp == 0 {
		r.opts.GiveUp = defaultGiveUp
	}
	res := Result{Run: r.name, State: audit.Failed, Total: r.total, Replayed: r.Done(), Sequence: r.detail.Checkpoint.Sequence}
	began := time.Now()
	bucket, err := audit.Open(ctx, r.client, r.opts.Streams)
	if err != nil {
		return res, r.denied(began, err)
	}
	if err := r.makeTarget(ctx); err != nil {
		return res, r.denied(began, err)
	}
	l := newLease(bucket, r.begin(), r.detail, r.opts.GiveUp)
	t, err := r.open(l)
	if err != nil {
		return res, err
	}
	l.where = t.position
	if err := l.write(ctx); err != nil { // from now on the run is ours
		return res, errors.Join(r.denied(began, err), t.close())
	}

	renewing, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		l.run(renewing, cancel)
	}()
	err = r.passes(ctx, l, t)
	stopRenewing()
	<-kept
	return r.finish(ctx, l, t, res, err)
}

// begin is the record of a run that is starting, or going on.
func (r *Run) begin() audit.Versioned {
	h := r.held
	if h.Run == "" {
		h.Record = audit.Record{Run: r.name, Action: Action, Began: time.Now().UTC(), Counts: map[string]int64{}}
	}
	if r.total >= 0 {
		h.Counts["total"] = r.total
	}
	h.Who, h.State, h.Problem, h.Ended = r.opts.Who, audit.Running, "", time.Time{}
	r.detail.Owner = rand.Text()
	return h
}

// finish writes the last record.
func (r *Run) finish(ctx context.Context, l *lease, t target, res Result, err error) (Result, error) {
	err = errors.Join(err, t.close())
	at := t.reached()
	res.Replayed, res.Sequence, res.Skipped = at.Done, at.Sequence, at.Skipped
	problem := ""
	switch {
	case err == nil:
		res.State, res.Skipped = audit.Done, r.skipped
		if res.Total >= 0 { // the server counts messages, whatever they are
			res.Total = min(res.Total, max(res.Replayed, res.Total-res.Skipped))
		}
	case errors.Is(err, context.Canceled):
		res.State = audit.Stopped
	default:
		problem = err.Error()
	}
	if errors.Is(err, errTaken) {
		return res, err // the record is another's
	}
	res.Resumable = res.State != audit.Done && r.detail.Target.File != "-"
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*writeTimeout)
	defer cancel()
	return res, errors.Join(err, l.end(ending, res, problem))
}

// settleTimeout bounds how long the end waits for what is in flight.
const settleTimeout = ackTimeout + 2*time.Second

// passes makes passes until one comes to the end.
func (r *Run) passes(ctx context.Context, l *lease, t target) error {
	const most = 5 * time.Second
	last, pause := time.Now(), 100*time.Millisecond
	for {
		before, began := t.reached(), time.Now()
		err := r.denied(began, r.pass(ctx, l, t))
		switch {
		case err == nil, isFinal(err), refusedForGood(err):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if t.reached().Sequence > before.Sequence {
			last, pause = time.Now(), 100*time.Millisecond
		}
		if time.Since(last) > r.opts.GiveUp {
			return fmt.Errorf("%w for %s: %w", errGaveUp, r.opts.GiveUp, err)
		}
		if err := client.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, most)
	}
}

// denied makes an error final, and names the subject, if NATS does not permit it: it will not do so by
// being asked again, and the error alone does not tell.
func (r *Run) denied(began time.Time, err error) error {
	if err == nil || errors.Is(err, errTaken) || errors.Is(err, context.Canceled) {
		return err
	}
	if why := r.client.Broker().DeniedSince(began); why != nil {
		return finalError{fmt.Errorf("%w (%w)", why, err)}
	}
	return err
}

// pass sends what the target does not have yet, in order.
func (r *Run) pass(ctx context.Context, l *lease, t target) error {
	if err := l.write(ctx); err != nil { // still ours, also after a long silence
		return err
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	err := r.each(ctx, t)
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	settled := t.settle(settling)
	r.report(t)
	if settled != nil && (err == nil || isFinal(settled)) {
		return settled
	}
	return err
}

// each sends the events behind the position that is reached.
func (r *Run) each(ctx context.Context, t target) error {
	at := t.reached()
	r.skipped = at.Skipped
	f := r.spec.Filter
	f.ToSeq = r.detail.End
	if at.Sequence > 0 {
		f.FromSeq = max(f.FromSeq, at.Sequence+1)
	}
	if f.ToSeq < max(1, f.FromSeq) || r.spec.Limit > 0 && at.Done >= r.spec.Limit {
		return nil
	}
	// Sequences of another stream would mean other events.
	source, err := eventStream(ctx, r.client)
	if err != nil {
		return err
	}
	if !source.Created.Equal(r.detail.Created) {
		return finalError{fmt.Errorf("stream %s was made again since the run began: begin a new run", r.client.Events())}
	}
	pace, sent := newPace(r.opts.Rate), at.Done
	for m, err := range r.client.Select(ctx, f, &r.skipped) {
		if err != nil {
			return err
		}
		if err := client.Sleep(ctx, pace.Reserve().Delay()); err != nil {
			return err
		}
		if err := t.send(ctx, r.event(m)); err != nil {
			return err
		}
		r.report(t)
		if sent++; r.spec.Limit > 0 && sent >= r.spec.Limit {
			return nil
		}
	}
	return nil
}

func (r *Run) event(s client.Message) event {
	e := event{Message: s, skipped: r.skipped, kind: schema.Kind(strings.TrimPrefix(s.Subject, string(r.client.Prefix())+".")), id: "without an id"}
	if ids := s.Header[schema.HeaderMsgID]; len(ids) > 0 {
		e.id = ids[0]
	}
	return e
}

func (r *Run) report(t target) {
	if r.opts.Progress != nil {
		r.opts.Progress(t.reached().Done)
	}
}
