// Package streammodel is a JetStream stream without a server and without goroutines,
// for tests of what publishes to one. It behaves as nats-server does, faults and
// losses included; a conformance test holds it against the real server. Nothing
// happens by chance or by itself: time comes from the owner, and each fault is asked for.
//
// It is no test file since the simulation of the outbox and the conformance test, in two
// packages, need it.
package streammodel

import (
	"fmt"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// Config is what an operator says of a stream.
type Config struct {
	Subjects      []string // filters
	Batches       bool     // allow_atomic
	Fast          bool     // allow_batched
	Duplicates    time.Duration
	MaxMsgSize    int64 // 0: no limit
	MaxAge        time.Duration
	MaxMsgs       int // 0: no limit
	MaxPerSubject int // 0: no limit; the oldest of the subject goes
	DiscardOld    bool
	Sealed        bool
	FlushAlways   bool // sync_interval: always
}

// What the server is like; they are not settings of a stream.
const (
	FlushEvery  = 2 * time.Minute // the default sync_interval
	BlockSize   = 8               // messages; small, so that short runs have several
	MaxBatch    = 1000            // messages of an atomic batch
	bootLeaders = "leader-"
)

// Message is a stored message.
type Message struct {
	Seq     uint64
	ID      string
	Subject string
	Time    time.Time
	block   int
	flushed bool
}

// Cause says why a message is gone.
type Cause string

// The causes. The first group is on purpose.
const (
	Purged  Cause = "purged"
	Deleted Cause = "deleted"
	Limited Cause = "limit"
	Aged    Cause = "age"
	Dropped Cause = "stream deleted"

	PowerLost  Cause = "power loss"
	FellBehind Cause = "older copy"
)

// OnPurpose reports whether somebody wanted the message to go.
func (c Cause) OnPurpose() bool { return c != PowerLost && c != FellBehind }

// Model is a server, or a cluster, with one stream. It is for one goroutine.
type Model struct {
	// Stored is told of each message that a publish stores, Gone of each that goes. They
	// may be nil, and must not call the model.
	Stored func(Message)
	Gone   func(Message, Cause)

	now     func() time.Time
	config  Config
	clients []*Client

	boots   int  // of the server process
	up      bool // the process runs
	leader  int  // elections and boots
	ruled   bool // the stream has a leader
	broken  bool // the store keeps a write error
	created time.Time

	exists    bool
	msgs      []Message
	last      uint64
	block     int // that is being written
	inBlock   int
	lastFlush time.Time
	flushed   uint64 // the last sequence that a power loss leaves at least
	window    map[string]*seen
	order     []*seen  // of window, oldest first
	partial   *partial // a batch that a kill has cut
	late      []late
}

// seen is an id of the duplicate window.
type seen struct {
	id  string
	seq uint64
	at  time.Time
}

// partial is the rest of a batch of which the first messages are stored.
type partial struct{ msgs []broker.Message }

// late is a request that arrives after its sender gave up.
type late struct {
	at   time.Time
	msgs []broker.Message
	fast bool // as a fast-ingest batch
}

// New returns a server that runs, with an empty stream.
func New(now func() time.Time, config Config) *Model {
	m := &Model{now: now, config: config}
	m.Create()
	m.Start()
	return m
}

// Create makes the stream, if there is none.
func (m *Model) Create() {
	if m.exists {
		return
	}
	now := m.now()
	if !now.After(m.created) {
		now = m.created.Add(1) // no two streams are made at the same nanosecond
	}
	m.exists, m.created, m.lastFlush = true, now, now
	m.msgs, m.last, m.flushed, m.block, m.inBlock, m.partial = nil, 0, 0, 0, 0, nil
	m.rebuildWindow()
	m.leader++
}

// DeleteStream removes the stream with all that is in it.
func (m *Model) DeleteStream() {
	m.tick()
	for _, s := range m.msgs {
		m.gone(s, Dropped)
	}
	m.exists, m.msgs, m.partial = false, nil, nil
	m.late = nil
}

// Configure changes the configuration as an operator does.
func (m *Model) Configure(change func(*Config)) {
	m.tick()
	change(&m.config)
	m.limit()
}

// Config returns the configuration.
func (m *Model) Config() Config { return m.config }

// Start starts the server process, if it does not run.
func (m *Model) Start() {
	if m.up {
		return
	}
	m.up, m.ruled, m.broken = true, true, false
	m.boots++
	m.leader++
	if p := m.partial; p != nil {
		// The server writes the rest of a batch that it finds cut, without looking
		// for repetitions.
		m.partial = nil
		for _, msg := range p.msgs {
			m.store(msg)
		}
	}
	m.rebuildWindow()
	m.tick()
	m.announce()
}

// Stop ends the server process; what the operating system has of it stays. It is
// also what kill -9 does.
func (m *Model) Stop() {
	m.tick()
	m.up, m.late = false, nil
	m.announce()
}

// Elect lets another replica lead.
func (m *Model) Elect() {
	m.tick()
	m.leader++
	m.ruled = true
}

// NoLeader leaves the stream without one until Elect or Start: publishes get no
// answer but that nobody responds.
func (m *Model) NoLeader() { m.ruled = false }

// BreakStore makes the store keep a write error: nothing is stored or answered until
// the process is started again.
func (m *Model) BreakStore() { m.broken = true }

// Healthy reports whether the stream is there, led and writable.
func (m *Model) Healthy() bool { return m.up && m.ruled && !m.broken && m.exists }

// Is reports whether the stream is still the one that an Info told of, and led by the same.
func (m *Model) Is(created time.Time, leader string) bool {
	return m.exists && m.created.Equal(created) && m.leaderName() == leader
}

// Messages returns what is stored, in order.
func (m *Model) Messages() []Message {
	m.tick()
	return slices.Clone(m.msgs)
}

// Last is the last sequence.
func (m *Model) Last() uint64 { return m.last }

// Write stores a message of another writer.
func (m *Model) Write(subject, id string) broker.Result {
	m.tick()
	if !m.Healthy() {
		return broker.Result{Status: broker.NotSent, Err: errAway}
	}
	return m.apply([]broker.Message{{Subject: subject, ID: id}})
}

// Settle lets everything take effect that is under way, as before a jump of the clock:
// a request does not stay in a network for hours.
func (m *Model) Settle() {
	for _, l := range m.late {
		m.arrive(l)
	}
	m.late = nil
	m.tick()
}

// Tick does what is due by the clock, as every other method does first.
func (m *Model) Tick() { m.tick() }

// tick is Tick.
func (m *Model) tick() {
	if !m.up || !m.exists {
		return
	}
	now := m.now()
	for len(m.late) > 0 && !m.late[0].at.After(now) {
		l := m.late[0]
		m.late = m.late[1:]
		m.arrive(l)
	}
	if since := now.Sub(m.lastFlush); since >= FlushEvery || since < 0 {
		m.flush()
	}
	m.forgetIDs()
	m.age()
}

// arrive lets a late request take effect, if anybody is there to take it.
func (m *Model) arrive(l late) {
	switch {
	case !m.Healthy():
	case l.fast:
		m.applyFast(l.msgs)
	default:
		m.apply(l.msgs)
	}
}

// announce tells the connections that their link changed.
func (m *Model) announce() {
	for _, c := range m.clients {
		c.refresh()
	}
}

// leaderName changes with each boot and each election.
func (m *Model) leaderName() string { return fmt.Sprintf("%s%d", bootLeaders, m.leader) }

func (m *Model) gone(s Message, why Cause) {
	if m.Gone != nil {
		m.Gone(s, why)
	}
}
