package streammodel

import (
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

var (
	errAway       = errors.New("not connected")
	errNoAnswer   = errors.New("no answer in time")
	errNobody     = errors.New("no stream responds for the subject")
	errTooLarge   = errors.New("message size exceeds maximum allowed")
	errSealed     = errors.New("invalid operation on sealed stream")
	errFull       = errors.New("maximum messages exceeded")
	errDisabled   = errors.New("atomic publish is disabled")
	errTooMany    = errors.New("atomic publish batch is too large")
	errRepeats    = errors.New("atomic publish batch contains duplicate message id")
	errIncomplete = errors.New("atomic publish batch is incomplete")
)

// apply does what the leader does with a publish that reached it.
func (m *Model) apply(msgs []broker.Message) broker.Result {
	if len(msgs) == 1 {
		return m.applyOne(msgs[0])
	}
	return m.applyBatch(msgs)
}

func (m *Model) applyOne(msg broker.Message) broker.Result {
	c := m.config
	switch {
	case !m.captures(msg.Subject):
		return refused(broker.RefusedSubject, errNobody)
	case c.Sealed:
		return refused(broker.RefusedForGood, errSealed)
	case m.tooLarge(msg):
		return refused(broker.RefusedSize, errTooLarge)
	}
	if s := m.window[msg.ID]; s != nil && msg.ID != "" {
		return broker.Result{Status: broker.Stored, First: s.seq, Duplicate: true}
	}
	if m.full(1) && !m.replaces(msg.Subject) {
		return refused(broker.Refused, errFull)
	}
	return broker.Result{Status: broker.Stored, First: m.store(msg)}
}

// applyBatch stores all or nothing. The server answers only the last message, the
// commit: what was wrong with an earlier one shows as a batch that is incomplete.
func (m *Model) applyBatch(msgs []broker.Message) broker.Result {
	if r := m.checkBatch(msgs); r.Status != broker.Stored {
		return r
	}
	first := m.last + 1
	for _, msg := range msgs {
		m.store(msg)
	}
	return broker.Result{Status: broker.Stored, First: first}
}

// checkBatch has the status Stored if nothing is in the way. Whatever is: the others may be
// stored without it, so the batch is Refused.
func (m *Model) checkBatch(msgs []broker.Message) broker.Result {
	commit := msgs[len(msgs)-1]
	switch {
	case !m.captures(commit.Subject):
		return refused(broker.Refused, errNobody)
	case m.config.Sealed:
		return refused(broker.Refused, errSealed)
	case m.tooLarge(commit):
		return refused(broker.Refused, errTooLarge)
	case !m.config.Batches:
		return refused(broker.Refused, errDisabled)
	case len(msgs) > MaxBatch:
		return refused(broker.Refused, errTooMany)
	}
	for _, msg := range msgs {
		if !m.captures(msg.Subject) || m.tooLarge(msg) {
			return refused(broker.Refused, errIncomplete)
		}
	}
	inside := map[string]bool{}
	for _, msg := range msgs {
		if msg.ID != "" && (inside[msg.ID] || m.window[msg.ID] != nil) {
			return refused(broker.Refused, fmt.Errorf("%w: %s", errRepeats, msg.ID))
		}
		inside[msg.ID] = true
	}
	if m.full(len(msgs)) {
		return refused(broker.Refused, errFull)
	}
	return broker.Result{Status: broker.Stored}
}

func refused(f broker.Status, err error) broker.Result { return broker.Result{Status: f, Err: err} }

func (m *Model) captures(subject string) bool {
	return broker.Info{Subjects: m.config.Subjects}.Captures(subject)
}

func (m *Model) tooLarge(msg broker.Message) bool {
	return m.config.MaxMsgSize > 0 && msg.Size() > m.config.MaxMsgSize
}

// full reports whether n more are too many for a stream that keeps its oldest.
func (m *Model) full(n int) bool {
	return !m.config.DiscardOld && m.config.MaxMsgs > 0 && len(m.msgs)+n > m.config.MaxMsgs
}

// replaces reports whether a message of a subject drives out another one: that is let
// into a full stream.
func (m *Model) replaces(subject string) bool {
	n := 0
	for _, s := range m.msgs {
		if s.Subject == subject {
			n++
		}
	}
	return m.config.MaxPerSubject > 0 && n >= m.config.MaxPerSubject
}

// store appends a message that nothing refuses any more.
func (m *Model) store(msg broker.Message) uint64 {
	if m.inBlock == BlockSize {
		m.block, m.inBlock = m.block+1, 0
	}
	m.last++
	m.inBlock++
	s := Message{Seq: m.last, ID: msg.ID, Subject: msg.Subject, Time: m.now(), block: m.block, flushed: m.config.FlushAlways}
	m.msgs = append(m.msgs, s)
	m.remember(s)
	if m.Stored != nil {
		m.Stored(s)
	}
	m.limit()
	return s.Seq
}

// remember puts a message into the duplicate window.
func (m *Model) remember(s Message) {
	if s.ID == "" || m.config.Duplicates <= 0 {
		return
	}
	e := &seen{id: s.ID, seq: s.Seq, at: s.Time}
	m.window[s.ID] = e
	m.order = append(m.order, e)
}

// forgetIDs takes the ids out of the duplicate window whose time is over, by the wall
// clock: a jump forwards empties it.
func (m *Model) forgetIDs() {
	now := m.now()
	for len(m.order) > 0 && now.Sub(m.order[0].at) >= m.config.Duplicates {
		if e := m.order[0]; m.window[e.id] == e {
			delete(m.window, e.id)
		}
		m.order = m.order[1:]
	}
}

// rebuildWindow is what a server does when it has read a stream from its disk. Ids of
// messages that were deleted meanwhile are not known any more.
func (m *Model) rebuildWindow() {
	m.window, m.order = map[string]*seen{}, nil
	since := m.now().Add(-m.config.Duplicates)
	for _, s := range m.msgs {
		if !s.Time.Before(since) {
			m.remember(s)
		}
	}
}
