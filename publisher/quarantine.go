package publisher

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// Bounds of what waits for NATS in memory, and of the pause between two
// attempts. What does not fit goes to set-aside.
const (
	quarantineMaxQueue   = 1000
	quarantineMaxWaiting = 64 * value.MiB
	quarantineFirstPause = 100 * time.Millisecond
	quarantineLastPause  = 10 * time.Second
)

// quarantine writes refused bodies to their stream, in the background and one
// after the other. A body whose fate is unknown is sent again under the same
// id, so that the stream's duplicate window keeps one of it.
type quarantine struct {
	conn     *broker.Conn
	stream   *broker.Stream
	setAside *setaside.Store
	log      *zap.Logger
	metrics  *metrics
	wake     chan struct{}
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	queue   []broker.Message
	bytes   int64
	closing bool
}

func newQuarantine(c *broker.Conn, stream string, timeout time.Duration, s *setaside.Store, log *zap.Logger, m *metrics) *quarantine {
	return &quarantine{
		conn: c, stream: broker.NewStream(c, stream, timeout), setAside: s, log: log, metrics: m,
		wake: make(chan struct{}, 1),
	}
}

func (q *quarantine) start() {
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	q.done.Go(func() { q.run(ctx) })
}

// add queues a body. It does not wait for NATS.
func (q *quarantine) add(ctx context.Context, m broker.Message) {
	if size := m.Size(); size > q.conn.MaxPayload() {
		q.putAside(ctx, m, setaside.Quarantine)
		return
	}
	q.mu.Lock()
	full := q.closing || len(q.queue) >= quarantineMaxQueue || q.bytes+m.Size() > int64(quarantineMaxWaiting)
	if !full {
		q.queue = append(q.queue, m)
		q.bytes += m.Size()
		q.metrics.quarantinePending.Inc()
	}
	q.mu.Unlock()
	if full {
		q.putAside(ctx, m, setaside.Overflow)
		return
	}
	q.signal()
}

func (q *quarantine) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// close takes no more, and returns when all is written, or at once if NATS is
// away, or when ctx ends. The rest then goes to set-aside.
func (q *quarantine) close(ctx context.Context) {
	if q.stop == nil {
		return
	}
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.signal()
	if !q.conn.Connected() {
		q.stop() // nothing to wait for
	}
	cut := context.AfterFunc(ctx, q.stop)
	defer cut()
	q.done.Wait()
	q.stop()
	q.stream.Wait()

	left := q.takeAll()
	for _, m := range left {
		q.putAside(context.WithoutCancel(ctx), m, setaside.Overflow)
	}
	if len(left) > 0 {
		q.log.Warn("refused bodies went to set-aside, since NATS did not take them", zap.Int("bodies", len(left)))
	}
}

// run stores the head of the queue until it is empty and closed, or ctx ends.
func (q *quarantine) run(ctx context.Context) {
	pause := quarantineFirstPause
	for {
		m, ok, closing := q.head()
		switch {
		case !ok && closing:
			return
		case !ok:
			select {
			case <-q.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		if q.attempt(ctx, m) {
			pause = quarantineFirstPause
			continue
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
			pause = min(2*pause, quarantineLastPause)
		case <-ctx.Done():
			return
		}
	}
}

// attempt sends m once and reports whether it is settled.
func (q *quarantine) attempt(ctx context.Context, m broker.Message) bool {
	if !q.conn.Connected() {
		return false
	}
	switch r := q.stream.Publish(ctx, []broker.Message{m}); r.Fate {
	case broker.Stored:
		q.drop()
		q.metrics.quarantined.WithLabelValues(quarantineStored).Inc()
		return true
	case broker.RefusedSize, broker.RefusedEver:
		q.drop()
		q.putAside(context.WithoutCancel(ctx), m, setaside.Quarantine)
		return true
	default:
		q.log.Debug("quarantine: will try again", zap.String("id", m.ID), zap.Stringer("fate", r.Fate), zap.Error(r.Err))
		return false
	}
}

func (q *quarantine) head() (m broker.Message, ok, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return broker.Message{}, false, q.closing
	}
	return q.queue[0], true, q.closing
}

// drop removes the head, which only the worker does.
func (q *quarantine) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.queue[0].Size()
	q.queue[0] = broker.Message{} // let go of the body
	q.queue = q.queue[1:]
	q.metrics.quarantinePending.Dec()
}

func (q *quarantine) takeAll() []broker.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.queue
	q.queue, q.bytes = nil, 0
	q.metrics.quarantinePending.Sub(float64(len(left)))
	return left
}

// asideTimeout is how long a write to set-aside may take that no request waits for.
const asideTimeout = 5 * time.Second

// putAside keeps a body that the stream does not take, and counts it.
func (q *quarantine) putAside(ctx context.Context, m broker.Message, reason string) {
	ctx, cancel := context.WithTimeout(ctx, asideTimeout)
	defer cancel()
	outcome := quarantineSetAside
	if err := q.setAside.Put(ctx, m, reason); err != nil {
		outcome = quarantineFailed
		q.log.Error("refused body could not be kept", zap.String("id", m.ID), zap.Error(err))
	}
	q.metrics.quarantined.WithLabelValues(outcome).Inc()
}
