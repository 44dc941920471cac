package publisher

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
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
	conn     *conn
	sender   *sender
	timeout  time.Duration // for one attempt
	setAside *setAside
	log      *zap.Logger
	metrics  *metrics
	wake     chan struct{}
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	queue   []message
	bytes   int64
	closing bool
}

func newQuarantine(c *conn, stream string, timeout time.Duration, s *setAside, log *zap.Logger, m *metrics) *quarantine {
	return &quarantine{
		conn: c, sender: newSender(c, stream), timeout: timeout, setAside: s, log: log, metrics: m,
		wake: make(chan struct{}, 1),
	}
}

func (q *quarantine) start() {
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	q.done.Go(func() { q.run(ctx) })
}

// add queues a body. It does not wait for NATS.
func (q *quarantine) add(m message) {
	if size := m.size(); size > q.conn.maxPayload() {
		q.putAside(m, reasonQuarantine)
		return
	}
	q.mu.Lock()
	full := q.closing || len(q.queue) >= quarantineMaxQueue || q.bytes+m.size() > int64(quarantineMaxWaiting)
	if !full {
		q.queue = append(q.queue, m)
		q.bytes += m.size()
		q.metrics.quarantinePending.Inc()
	}
	q.mu.Unlock()
	if full {
		q.putAside(m, reasonOverflow)
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
	if !q.conn.isConnected() {
		q.stop() // nothing to wait for
	}
	cut := context.AfterFunc(ctx, q.stop)
	defer cut()
	q.done.Wait()
	q.stop()
	q.sender.wait()

	left := q.takeAll()
	for _, m := range left {
		q.putAside(m, reasonOverflow)
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
func (q *quarantine) attempt(ctx context.Context, m message) bool {
	if !q.conn.isConnected() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	switch o := q.sender.send(ctx, []message{m})[0]; o.fate {
	case fateStored:
		q.drop()
		q.metrics.quarantined.WithLabelValues(quarantineStored).Inc()
		return true
	case fateRefusedSize, fateRefusedEver:
		q.drop()
		q.putAside(m, reasonQuarantine)
		return true
	default:
		q.log.Debug("quarantine: will try again", zap.String("id", m.id), zap.Stringer("fate", o.fate), zap.Error(o.err))
		return false
	}
}

func (q *quarantine) head() (m message, ok, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return message{}, false, q.closing
	}
	return q.queue[0], true, q.closing
}

// drop removes the head, which only the worker does.
func (q *quarantine) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.queue[0].size()
	q.queue[0] = message{} // let go of the body
	q.queue = q.queue[1:]
	q.metrics.quarantinePending.Dec()
}

func (q *quarantine) takeAll() []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.queue
	q.queue, q.bytes = nil, 0
	q.metrics.quarantinePending.Sub(float64(len(left)))
	return left
}

// putAside keeps a body that the stream does not take, and counts it.
func (q *quarantine) putAside(m message, reason string) {
	outcome := quarantineSetAside
	if err := q.setAside.put(m, reason); err != nil {
		outcome = quarantineFailed
		q.log.Error("refused body could not be kept", zap.String("id", m.id), zap.Error(err))
	}
	q.metrics.quarantined.WithLabelValues(outcome).Inc()
}
