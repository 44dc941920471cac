package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

const (
	recheckEvery  = 30 * time.Second
	recheckSoon   = time.Second // after a look that failed
	lookTimeout   = 5 * time.Second
	minLookPeriod = 200 * time.Millisecond // however many publishes are in doubt
)

// Monitor sees to the streams in the background: after every connect,
// when a publish casts doubt on them, and every 30 s.
type Monitor struct {
	conn  *broker.Conn
	want  []wantedStream
	mode  string // Spec.Mode
	every time.Duration
	log   *zap.Logger
	gauge *prometheus.GaugeVec     // findings, by severity
	size  atomic.Int64             // max_msg_size of the event stream, 0 if unlimited
	takes atomic.Pointer[[]string] // subjects of the event stream; nil before the first look
	each  func()                   // called at every round, whether there is a connection or not
	kick  chan struct{}
	first chan struct{} // closed after the first look that got an answer
	stop  context.CancelFunc
	done  sync.WaitGroup

	sizing sync.Mutex // held by refreshSize
	sized  time.Time  // under sizing: when it looked last

	mu       sync.Mutex // guards what follows
	findings []Finding
	problem  error // why the last look got no answer
	looked   bool
}

// NewMonitor returns a monitor that looks at the streams every so often, and calls each at
// every round, whether there is a connection or not; every 0 means 30 s.
func NewMonitor(c *broker.Conn, spec Spec, every time.Duration, each func(), log *zap.Logger, reg prometheus.Registerer) (*Monitor, error) {
	if every == 0 {
		every = recheckEvery
	}
	k := &Monitor{
		conn: c, want: wantedStreams(spec), mode: spec.Mode, every: every, each: each, log: log,
		gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "treble_bridge_stream_findings",
			Help: "What is wrong with the streams, by severity: unusable, weak, slow.",
		}, []string{"severity"}),
		kick:  make(chan struct{}, 1),
		first: make(chan struct{}),
	}
	if reg == nil {
		return k, nil
	}
	return k, reg.Register(k.gauge)
}

// Start begins to look, until Close.
func (k *Monitor) Start() {
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.done.Go(func() { k.run(ctx) })
}

// Close ends the looking and waits for a look that goes on.
func (k *Monitor) Close() {
	if k.stop != nil {
		k.stop()
	}
	k.done.Wait()
}

// Wake asks for a look soon. It never blocks.
func (k *Monitor) Wake() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// AwaitChecked waits for the first look, but no longer than limit, and not at all
// if there is no connection.
func (k *Monitor) AwaitChecked(ctx context.Context, limit time.Duration) {
	if !k.conn.Connected() {
		return
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-k.first:
	case <-t.C:
	case <-ctx.Done():
	}
}

// MaxMsgSize is the event stream's own limit, 0 if there is none.
func (k *Monitor) MaxMsgSize() int64 { return k.size.Load() }

// RefreshSize looks at that limit now, once for all who want to know at the same time.
func (k *Monitor) RefreshSize(ctx context.Context) {
	wanted := time.Now()
	k.sizing.Lock()
	defer k.sizing.Unlock()
	if k.sized.After(wanted) || !k.conn.Connected() {
		return
	}
	k.sized = time.Now()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for _, w := range k.want {
		if w.required {
			if have, err := k.existing(ctx, w); err == nil {
				k.size.Store(int64(max(have.Config.MaxMsgSize, 0)))
			}
		}
	}
}

func (k *Monitor) run(ctx context.Context) {
	timer := time.NewTimer(k.every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.conn.Changed():
		case <-k.kick:
		case <-timer.C:
		}
		k.each()
		next := k.every
		if k.conn.Connected() && !k.look(ctx) {
			next = min(next, recheckSoon)
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
		case <-time.After(minLookPeriod):
		}
	}
}

// look sees to all streams once and reports whether it got an answer.
func (k *Monitor) look(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var findings []Finding
	var events *jetstream.StreamConfig
	for _, w := range k.want {
		began := time.Now()
		have, found, err := k.ensure(ctx, w, events)
		if err != nil {
			if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = k.conn.Explain(err, w.Name, began)
				k.report(nil, fmt.Errorf("look at stream %s: %w", w.Name, k.conn.Config().Nobody(err)))
			}
			return false
		}
		switch {
		case w.required:
			events = have
		case events != nil:
			want := k.want[0]
			found = append(borrowed(want, *events, found, func() fix { return want.move(ctx, k.conn.JetStream()) }), found...)
		}
		findings = append(findings, placed(found, k.conn.Config())...)
	}
	k.conn.LearnLimit()
	k.report(findings, nil)
	return true
}

// ensure makes or extends one stream as the mode allows, and returns it, if it is
// there, and what is wrong with it then. The stream of the events comes first; events is that one,
// if it is there.
func (k *Monitor) ensure(ctx context.Context, w wantedStream, events *jetstream.StreamConfig) (*jetstream.StreamConfig, []Finding, error) {
	info, err := k.existing(ctx, w)
	if errors.Is(err, jetstream.ErrStreamNotFound) && events != nil && k.want[0].anothers(*events) {
		return nil, []Finding{w.withEvents(ctx, k.conn.JetStream())}, nil
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		found, err := k.missing(ctx, w)
		return nil, found, err
	}
	if err != nil {
		return nil, nil, err
	}
	have := info.Config
	if k.mode == Apply {
		have = k.extend(ctx, w, have)
	}
	if w.required {
		k.size.Store(int64(max(have.MaxMsgSize, 0)))
		k.takes.Store(&have.Subjects)
	}
	return &have, compare(w, have, k.facts(ctx, w, info.State.Consumers)), nil
}

func (k *Monitor) existing(ctx context.Context, w wantedStream) (*jetstream.StreamInfo, error) {
	s, err := k.conn.JetStream().Stream(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// facts are those of the server, and of a stream that has so many consumers.
func (k *Monitor) facts(ctx context.Context, w wantedStream, consumers int) serverFacts {
	return factsOf(k.conn.NATS(), k.conn.MaxPayload(), consumers, func() fix { return w.giveWay(ctx, k.conn.JetStream(), w.Name) })
}

// Captures reports whether the event stream takes a subject, as far as the last look
// knows. Where it does not, another stream might.
func (k *Monitor) Captures(subject string) bool {
	filters := k.takes.Load()
	return filters != nil && len(uncovered(*filters, []string{subject})) == 0
}

// missing makes a stream that is not there, unless the mode is check.
func (k *Monitor) missing(ctx context.Context, w wantedStream) ([]Finding, error) {
	if w.required {
		k.takes.Store(new([]string{}))
	}
	if k.mode == Check {
		return []Finding{w.leftOut()}, nil
	}
	s, err := k.conn.JetStream().CreateStream(ctx, w.create(k.facts(ctx, w, 0)))
	var api *jetstream.APIError
	switch {
	case err == nil:
		if w.required {
			k.takes.Store(&w.Subjects)
		}
		k.log.Info("stream created", zap.String("stream", w.Name), zap.Strings("subjects", w.Subjects))
		return compare(w, s.CachedInfo().Config, k.facts(ctx, w, 0)), nil
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		// Another bridge was faster; the next look finds it.
		return nil, err
	case errors.As(err, &api) && server.ErrorIdentifier(api.ErrorCode) == server.JSStreamSubjectOverlapErr:
		return []Finding{w.overlap(ctx, k.conn.JetStream())}, nil
	case errors.As(err, &api):
		f, known := refusal(err, w.spec, w.bytesKey)
		if !known {
			f = inShell("%s", createLine(w))
		}
		return []Finding{w.absent(fmt.Sprintf("it does not exist and NATS does not make it: %s (%d)", api.Description, api.ErrorCode), f)}, nil
	}
	return nil, err
}

// extend raises what is lower than configured. What NATS refuses stays as it
// is and becomes a finding.
func (k *Monitor) extend(ctx context.Context, w wantedStream, have jetstream.StreamConfig) jetstream.StreamConfig {
	cfg, changed := w.extend(have, k.facts(ctx, w, 0))
	if !changed {
		return have
	}
	s, err := k.conn.JetStream().UpdateStream(ctx, cfg)
	if err != nil {
		k.log.Warn("stream could not be extended", zap.String("stream", w.Name), zap.Error(err))
		return have
	}
	k.log.Info("stream extended", zap.String("stream", w.Name))
	return s.CachedInfo().Config
}

// report keeps the result of a look, and logs it if it is not the last one's.
func (k *Monitor) report(findings []Finding, problem error) {
	k.mu.Lock()
	before, problemBefore := k.findings, k.problem
	if problem == nil {
		k.findings = findings
		if !k.looked {
			close(k.first)
		}
		k.looked = true
	}
	k.problem = problem
	k.mu.Unlock()

	if problem != nil {
		if problemBefore == nil || problemBefore.Error() != problem.Error() {
			k.log.Warn("streams could not be looked at", zap.Error(problem))
		}
		return
	}
	k.count(findings)
	if slices.Equal(before, findings) {
		return
	}
	for _, f := range findings {
		if !slices.Contains(before, f) {
			k.log.Warn("stream is not as it should be", zap.String("stream", f.Stream),
				zap.String("severity", string(f.Severity)), zap.String("problem", f.Problem), zap.String("fix", f.Fix), zap.String("fix_in", f.FixIn))
		}
	}
	if len(findings) == 0 {
		k.log.Info("streams are as they should be")
	}
}

// count sets the gauge of the findings.
func (k *Monitor) count(findings []Finding) {
	count := map[Severity]int{Unusable: 0, Weak: 0, Slow: 0}
	for _, f := range findings {
		count[f.Severity]++
	}
	for s, n := range count {
		k.gauge.WithLabelValues(string(s)).Set(float64(n))
	}
}

// State returns the findings of the last look that got an answer, and why the
// last look got none, if so.
func (k *Monitor) State() (findings []Finding, looked bool, problem error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.findings), k.looked, k.problem
}
