package streammodel

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// Flush brings everything to the server's disk.
func (m *Model) Flush() { m.tick(); m.flush() }

func (m *Model) flush() {
	m.lastFlush, m.flushed = m.now(), m.last
	for i := range m.msgs {
		m.msgs[i].flushed = true
	}
}

// PowerLoss stops the server and takes from each block what was not flushed from some
// message on: any of them, in no order, so that holes come about and the end is lost.
// The same seed takes the same.
func (m *Model) PowerLoss(seed uint64) {
	m.Stop()
	m.partial = nil
	r := rand.New(rand.NewPCG(seed, 1))
	var kept []Message
	for from := 0; from < len(m.msgs); {
		to := from
		for to < len(m.msgs) && m.msgs[to].block == m.msgs[from].block {
			to++
		}
		sure := from
		for sure < to && m.msgs[sure].flushed {
			sure++
		}
		survives := sure
		if sure < to {
			// Whole blocks often come through, or are lost as a whole.
			switch r.IntN(3) {
			case 0:
			case 1:
				survives = to
			default:
				survives += r.IntN(to - sure + 1)
			}
		}
		kept = append(kept, m.msgs[from:survives]...)
		from = to
	}
	m.replace(kept, m.flushed, PowerLost)
}

// FallBack makes a replica the leader that lacks the last n messages, or with stop
// puts back the store of a server as it was before them: the sequences are used again.
func (m *Model) FallBack(n int, stop bool) {
	if stop {
		m.Stop()
	}
	m.tick()
	m.partial = nil
	n = min(n, len(m.msgs))
	last := m.last // of a stream that was empty
	if n > 0 {
		last = m.msgs[len(m.msgs)-n].Seq - 1
	}
	m.replace(slices.Clone(m.msgs[:len(m.msgs)-n]), last, FellBehind)
	m.rebuildWindow()
	m.leader++
}

// Backup is a copy of the stream and its configuration.
type Backup struct {
	config  Config
	msgs    []Message
	last    uint64
	created time.Time
}

// Backup takes a copy; nil if there is no stream.
func (m *Model) Backup() *Backup {
	m.tick()
	if !m.exists {
		return nil
	}
	return &Backup{config: m.config, msgs: slices.Clone(m.msgs), last: m.last, created: m.created}
}

// Restore stops the server and puts a copy in the place of what it has. A nil copy is
// an empty store, in which the stream is made again.
func (m *Model) Restore(b *Backup) {
	m.Stop()
	m.partial = nil
	if b == nil {
		m.replace(nil, 0, FellBehind)
		m.exists = false
		m.Create()
		return
	}
	m.exists, m.created, m.config = true, b.created, b.config
	m.replace(slices.Clone(b.msgs), b.last, FellBehind)
}

// replace puts other messages in the place of those that are there. What was there and
// is not any more is gone; last is at least the last of them.
func (m *Model) replace(msgs []Message, last uint64, why Cause) {
	had := m.msgs
	m.msgs, m.last = msgs, last
	if n := len(msgs); n > 0 {
		m.last = max(last, msgs[n-1].Seq)
	}
	for i := range m.msgs {
		m.msgs[i].flushed = true // it was read from the disk
	}
	m.block, m.inBlock, m.flushed = m.block+1, 0, m.last
	for _, s := range had {
		if at, ok := m.find(s.Seq); !ok || m.msgs[at].ID != s.ID {
			m.gone(s, why)
		}
	}
}

// find returns where a sequence is, or would be.
func (m *Model) find(seq uint64) (int, bool) {
	return sort.Find(len(m.msgs), func(i int) int {
		switch at := m.msgs[i].Seq; {
		case seq < at:
			return -1
		case seq > at:
			return 1
		}
		return 0
	})
}
