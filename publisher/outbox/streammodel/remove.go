package streammodel

import "slices"

// Purge removes everything up to a sequence; 0: all. The last sequence stays, and one
// beyond it becomes the last.
func (m *Model) Purge(upTo uint64) {
	m.tick()
	if upTo == 0 {
		upTo = m.last
	}
	n, _ := m.find(upTo + 1)
	m.dropFirst(n, Purged)
	m.last = max(m.last, upTo)
	m.flushed = m.last // it is flushed at once
}

// Delete removes one message and reports whether it was there.
func (m *Model) Delete(seq uint64) bool {
	m.tick()
	i, ok := m.find(seq)
	if ok {
		s := m.msgs[i]
		m.msgs = slices.Delete(m.msgs, i, i+1)
		m.gone(s, Deleted)
	}
	return ok
}

// limit removes what is too much.
func (m *Model) limit() {
	if c := m.config; c.DiscardOld && c.MaxMsgs > 0 && len(m.msgs) > c.MaxMsgs {
		m.dropFirst(len(m.msgs)-c.MaxMsgs, Limited)
	}
	if m.config.MaxPerSubject <= 0 {
		return
	}
	n := map[string]int{}
	for i := len(m.msgs) - 1; i >= 0; i-- {
		s := m.msgs[i]
		if n[s.Subject]++; n[s.Subject] > m.config.MaxPerSubject {
			m.msgs = slices.Delete(m.msgs, i, i+1)
			m.gone(s, Limited)
		}
	}
}

// age removes what is too old.
func (m *Model) age() {
	if m.config.MaxAge <= 0 {
		return
	}
	now, n := m.now(), 0
	for n < len(m.msgs) && now.Sub(m.msgs[n].Time) >= m.config.MaxAge {
		n++
	}
	m.dropFirst(n, Aged)
}

func (m *Model) dropFirst(n int, why Cause) {
	gone := m.msgs[:n]
	m.msgs = m.msgs[n:]
	for _, s := range gone {
		m.gone(s, why)
	}
}
