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
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

const (
	recheckEvery   = 30 * time.Second
	recheckSoon    = time.Second // after a check that failed
	checkTimeout   = 5 * time.Second
	minCheckPeriod = 200 * time.Millisecond // however many publishes are in doubt
)

// Monitor checks the streams, and makes or extends them as Spec.Mode says, in the background: after
// every connect, when a publish casts doubt on them, and every 30 s.
type Monitor struct {
	conn        *broker.Conn
	want        []wantedStream
	mode        string // Spec.Mode
	every       time.Duration
	log         *zap.Logger
	gauge       *prometheus.GaugeVec     // findings, by severity
	size        atomic.Int64             // max_msg_size of the event stream, 0 if unlimited
	takes       atomic.Pointer[[]string] // subjects of the event stream; nil before the first check
	onTick      func()                   // called at every round, whether there is a connection or not
	wake        chan struct{}
	checkedOnce chan struct{} // closed after the first check that got an answer
	stop        context.CancelFunc
	done        sync.WaitGroup

	sizing sync.Mutex // held by RefreshSize
	sized  time.Time  // under sizing: when it checked last

	mu       sync.Mutex // guards what follows
	findings []Finding
	problem  error // why the last check got no answer
	checked  bool
}

// NewMonitor returns a monitor that checks the streams every so often, and calls onTick at
// every round, whether there is a connection or not; every 0 means 30 s.
func NewMonitor(c *broker.Conn, spec Spec, every time.Duration, onTick func(), log *zap.Logger, reg prometheus.Registerer) *Monitor {
	if every == 0 {
		every = recheckEvery
	}
	return &Monitor{
		conn: c, want: wantedStreams(spec), mode: spec.Mode, every: every, onTick: onTick, log: log,
		gauge: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "treble_bridge_stream_findings",
			Help: "What is wrong with the streams, by severity: unusable, weak, slow.",
		}, []string{"severity"}),
		wake:        make(chan struct{}, 1),
		checkedOnce: make(chan struct{}),
	}
}

// Start begins to check, until Close.
func (m *Monitor) Start() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.done.Go(func() { m.run(ctx) })
}

// Close ends the checks and waits for one that is at work.
func (m *Monitor) Close() {
	if m.stop != nil {
		m.stop()
	}
	m.done.Wait()
}

// Wake asks for a check soon. It never blocks.
func (m *Monitor) Wake() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// AwaitChecked waits for the first check, but no longer than limit, and not at all
// if there is no connection.
func (m *Monitor) AwaitChecked(ctx context.Context, limit time.Duration) {
	if !m.conn.Connected() {
		return
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-m.checkedOnce:
	case <-t.C:
	case <-ctx.Done():
	}
}

// MaxMsgSize is the event stream's own limit, 0 if there is none.
func (m *Monitor) MaxMsgSize() int64 { return m.size.Load() }

// RefreshSize asks for that limit now, once for all who want to know at the same time.
func (m *Monitor) RefreshSize(ctx context.Context) {
	wanted := time.Now()
	m.sizing.Lock()
	defer m.sizing.Unlock()
	if m.sized.After(wanted) || !m.conn.Connected() {
		return
	}
	m.sized = time.Now()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, w := range m.want {
		if w.required {
			if have, err := m.existing(ctx, w); err == nil {
				m.size.Store(int64(max(have.Config.MaxMsgSize, 0)))
			}
		}
	}
}

func (m *Monitor) run(ctx context.Context) {
	for {
		_, changed := m.conn.Link() // before the check: it may come or go meanwhile
		m.onTick()
		next := m.every
		if m.conn.Connected() && !m.checkAll(ctx) {
			next = min(next, recheckSoon)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(minCheckPeriod):
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-m.wake:
		case <-time.After(next):
		}
	}
}

// checkAll checks the streams once and reports whether it got an answer.
func (m *Monitor) checkAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var findings []Finding
	var events *jetstream.StreamConfig
	for _, w := range m.want {
		began := time.Now()
		have, found, err := m.ensure(ctx, w, events)
		if err != nil {
			if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = m.conn.Explain(err, w.Name, began)
				m.report(nil, fmt.Errorf("look at stream %s: %w", w.Name, m.conn.Config().ExplainNoResponders(err)))
			}
			return false
		}
		switch {
		case w.required:
			events = have
		case events != nil:
			want := m.want[0]
			found = append(borrowed(want, *events, found, func() fix { return want.move(ctx, m.conn.JetStream()) }), found...)
		}
		findings = append(findings, placed(found, m.conn.Config())...)
	}
	m.conn.LearnLimit()
	m.report(findings, nil)
	return true
}

// ensure makes or extends one stream as the mode allows, and returns it, if it is
// there, and what is wrong with it then. The stream of the events comes first; events is that one,
// if it is there.
func (m *Monitor) ensure(ctx context.Context, w wantedStream, events *jetstream.StreamConfig) (*jetstream.StreamConfig, []Finding, error) {
	info, err := m.existing(ctx, w)
	if errors.Is(err, jetstream.ErrStreamNotFound) && events != nil && m.want[0].belongsToAnother(*events) {
		return nil, []Finding{w.withEvents(ctx, m.conn.JetStream())}, nil
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		found, err := m.missing(ctx, w)
		return nil, found, err
	}
	if err != nil {
		return nil, nil, err
	}
	have := info.Config
	if m.mode == Apply {
		have = m.extend(ctx, w, have)
	}
	if w.required {
		m.size.Store(int64(max(have.MaxMsgSize, 0)))
		m.takes.Store(&have.Subjects)
	}
	return &have, compare(w, have, m.facts(ctx, w, info.State.Consumers)), nil
}

func (m *Monitor) existing(ctx context.Context, w wantedStream) (*jetstream.StreamInfo, error) {
	s, err := m.conn.JetStream().Stream(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// facts returns the properties of the server, and of a stream with so many consumers.
func (m *Monitor) facts(ctx context.Context, w wantedStream, consumers int) serverFacts {
	return factsOf(m.conn.NATS(), m.conn.MaxPayload(), consumers, func() fix { return w.giveWay(ctx, m.conn.JetStream(), w.Name) })
}

// Captures reports whether the event stream takes a subject, as far as the last check
// knows. Where it does not, another stream might.
func (m *Monitor) Captures(subject string) bool {
	filters := m.takes.Load()
	return filters != nil && len(uncovered(*filters, []string{subject})) == 0
}

// missing makes a stream that is not there, unless the mode is check.
func (m *Monitor) missing(ctx context.Context, w wantedStream) ([]Finding, error) {
	if w.required {
		m.takes.Store(new([]string{}))
	}
	if m.mode == Check {
		return []Finding{w.leftOut()}, nil
	}
	s, err := m.conn.JetStream().CreateStream(ctx, w.create(m.facts(ctx, w, 0)))
	switch api, refused := errors.AsType[*jetstream.APIError](err); {
	case err == nil:
		if w.required {
			m.takes.Store(&w.Subjects)
		}
		m.log.Info("stream created", zap.String("stream", w.Name), zap.Strings("subjects", w.Subjects))
		return compare(w, s.CachedInfo().Config, m.facts(ctx, w, 0)), nil
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		// Another bridge was faster; the next check finds it.
		return nil, err
	case errorCode(err) == server.JSStreamSubjectOverlapErr:
		return []Finding{w.overlap(ctx, m.conn.JetStream())}, nil
	case refused:
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
func (m *Monitor) extend(ctx context.Context, w wantedStream, have jetstream.StreamConfig) jetstream.StreamConfig {
	cfg, changed := w.extend(have, m.facts(ctx, w, 0))
	if !changed {
		return have
	}
	s, err := m.conn.JetStream().UpdateStream(ctx, cfg)
	if err != nil {
		m.log.Warn("stream could not be extended", zap.String("stream", w.Name), zap.Error(err))
		return have
	}
	m.log.Info("stream extended", zap.String("stream", w.Name))
	return s.CachedInfo().Config
}

// report keeps the result of a check, and logs it if it is not the last one's.
func (m *Monitor) report(findings []Finding, problem error) {
	m.mu.Lock()
	before, problemBefore := m.findings, m.problem
	if problem == nil {
		m.findings = findings
		if !m.checked {
			close(m.checkedOnce)
		}
		m.checked = true
	}
	m.problem = problem
	m.mu.Unlock()

	if problem != nil {
		if problemBefore == nil || problemBefore.Error() != problem.Error() {
			m.log.Warn("streams could not be checked", zap.Error(problem))
		}
		return
	}
	m.count(findings)
	if slices.Equal(before, findings) {
		return
	}
	for _, f := range findings {
		if !slices.Contains(before, f) {
			m.log.Warn("stream is not as it should be", zap.String("stream", f.Stream),
				zap.String("severity", string(f.Severity)), zap.String("problem", f.Problem), zap.String("fix", f.Fix), zap.String("fix_in", f.FixIn))
		}
	}
	if len(findings) == 0 {
		m.log.Info("streams are as they should be")
	}
}

// count sets the gauge of the findings.
func (m *Monitor) count(findings []Finding) {
	count := map[Severity]int{Unusable: 0, Weak: 0, Slow: 0}
	for _, f := range findings {
		count[f.Severity]++
	}
	for s, n := range count {
		m.gauge.WithLabelValues(string(s)).Set(float64(n))
	}
}

// State returns the findings of the last check that got an answer, and why the
// last one got none, if so.
func (m *Monitor) State() (findings []Finding, checked bool, problem error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.findings), m.checked, m.problem
}
