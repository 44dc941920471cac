package outbox

import (
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// fill reads entries into the queue, as many as go out in so many batches: first those that
// JetStream lost, then those that are pending.
func (r *relay) fill(batches int) error {
	s := r.session
	for len(s.queue) < batches*batchMessages && s.bytes < int64(batches)*batchBytes {
		switch {
		case len(s.heal) > 0:
			if err := r.readLost(s.heal[0]); err != nil {
				return err
			}
			s.heal = s.heal[1:]
		case r.serving.Load():
			if more, err := r.readPending(); err != nil || !more {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// readPending queues the next pending entry. It reports false if there is none.
func (r *relay) readPending() (bool, error) {
	s := r.session
	rec, ok, err := s.reader.Try()
	if err != nil || !ok {
		return false, err
	}
	accepted, msgs, err := ledger.DecodeEntry(rec.Payload, r.cfg.keys)
	if err != nil {
		return false, fmt.Errorf("journal entry %d: %w", rec.Seq, err)
	}
	e := newEntry(rec.Seq, accepted, len(msgs))
	var failed error
	for i, m := range msgs {
		m.Subject = r.cfg.subject(m)
		it := e.item(m, i)
		switch seq, there := s.plan.take(e, m.ID); {
		case m.Erased:
			// There is nothing left to publish. It was settled before it was erased, so
			// that only damage to what says so brings it here; then it counts as set aside.
			it.finish(outcome{aside: true})
		case there:
			it.finish(outcome{seq: seq})
		default:
			repeated, err := r.repeated(e, m.ID)
			if err != nil {
				failed = err
				s.checked = time.Time{} // the reader is past it: it is looked for again before it is sent
			}
			if repeated {
				it.finish(outcome{duplicate: true})
			}
		}
		s.queue = append(s.queue, it)
		s.bytes += it.size
	}
	return true, failed
}

// readLost queues the lost messages of an entry, unless damage took it since.
func (r *relay) readLost(lost lostEntry) error {
	s := r.session
	reader := r.journal.NewReader(lost.entry)
	defer reader.Close()
	rec, ok, err := reader.Try()
	if err != nil || !ok || rec.Seq != lost.entry {
		return err
	}
	accepted, msgs, err := ledger.DecodeEntry(rec.Payload, r.cfg.keys)
	if err != nil {
		return fmt.Errorf("journal entry %d: %w", rec.Seq, err)
	}
	e := newEntry(rec.Seq, accepted, len(lost.seqs))
	e.healing, e.lost, e.left = true, lost.messages, len(lost.messages)
	copy(e.result.Seqs, lost.seqs)
	for _, i := range lost.messages {
		m := msgs[i]
		m.Subject = r.cfg.subject(m)
		e.result.Seqs[i] = ledger.NoSequence
		it := e.item(m, i)
		s.queue = append(s.queue, it)
		s.bytes += it.size
	}
	return nil
}

// journalRange calls fn with the entries from one to another that can be read, in
// order.
func (r *relay) journalRange(from, to journal.Seq, fn func(seq journal.Seq, payload []byte) (bool, error)) error {
	if from > to {
		return nil
	}
	reader := r.journal.NewReader(from)
	defer reader.Close()
	for {
		rec, ok, err := reader.Try()
		if err != nil {
			return err
		}
		if !ok || rec.Seq > to {
			return nil
		}
		if more, err := fn(rec.Seq, rec.Payload); err != nil || !more {
			return err
		}
	}
}
