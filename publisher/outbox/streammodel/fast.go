package streammodel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

var (
	errNotFast   = errors.New("batch publish is disabled")
	errRepeated  = errors.New("repetition")
	errUncertain = errors.New("the last message of the batch is refused, and nothing says what became of the others")
)

// applyFast does what the leader does with a fast-ingest batch that reached it: it stores one
// message after the other, leaves out repetitions, and ends the batch at the first message that
// it does not take.
func (m *Model) applyFast(msgs []broker.Message) broker.Result { return m.fast(msgs, nil) }

// applyFastBetween is applyFast with a message of another writer before that of an index.
func (m *Model) applyFastBetween(msgs []broker.Message, at int, other broker.Message) broker.Result {
	return m.fast(msgs, func(i int) {
		if i == at {
			m.applyOne(other)
		}
	})
}

func (m *Model) fast(msgs []broker.Message, before func(i int)) broker.Result {
	var last uint64
	for i, msg := range msgs {
		if before != nil {
			before(i)
		}
		inside, err := m.refusesFast(msg)
		switch {
		case err == nil:
			last = m.store(msg)
		case errors.Is(err, errRepeated): // it is left out
		case i == 0:
			return refused(broker.Refused, err)
		case !inside && !slices.ContainsFunc(msgs[i+1:], m.reachesBatch):
			return broker.Result{Err: fmt.Errorf("%w: %w", errUncertain, err)} // it stays open
		default:
			return broker.Result{Status: broker.PartlyStored, Count: i, Last: last, Err: err}
		}
	}
	return broker.Result{Status: broker.Stored, Count: len(msgs), Last: last}
}

// reachesBatch reports whether the server gets to the batch of a message: it looks at the message
// first.
func (m *Model) reachesBatch(msg broker.Message) bool {
	inside, err := m.refusesFast(msg)
	return err == nil || inside
}

// refusesFast returns why a message of a fast-ingest batch is not stored, nil if it is, and whether
// that ends the batch by itself; else the next that gets to the batch does, by the gap.
func (m *Model) refusesFast(msg broker.Message) (inside bool, err error) {
	switch {
	case !m.captures(msg.Subject):
		return false, errNobody
	case m.config.Sealed:
		return false, errSealed
	case m.tooLarge(msg):
		return false, errTooLarge
	case !m.config.Fast:
		return false, errNotFast
	case msg.ID != "" && m.window[msg.ID] != nil:
		return true, errRepeated
	case m.full(1):
		return true, errFull
	}
	return true, nil
}
