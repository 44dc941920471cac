package outbox

import (
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// repeats are ids of events that are in the stream, and that the server may have
// forgotten: it knows them for the duplicate window only, by its own clock. An event
// that was repeated within the window, and could not be published before it was over,
// is still a repetition.
type repeats struct {
	ids  map[string]time.Time // when they were accepted
	old  []accepted           // of ids, the oldest first
	next journal.Seq          // the first retained entry that was not looked at
	read time.Time            // when it was last looked at what is retained
}

// repeatLag is the lag that the relay may have without a look at what is retained, and
// how much more than needed a look takes; the looks are half of that apart at least.
const repeatLag = time.Second

// accepted is an id, and when its event was accepted.
type accepted struct {
	id string
	at time.Time
}

func (p *repeats) add(id string, at time.Time) {
	if p.ids == nil {
		p.ids = map[string]time.Time{}
	}
	p.ids[id] = at
	p.old = append(p.old, accepted{id, at})
}

// drop forgets the events that were accepted before a time: nothing that is still pending can
// repeat them within the window.
func (p *repeats) drop(before time.Time) {
	n := 0
	for n < len(p.old) && p.old[n].at.Before(before) {
		if a := p.old[n]; p.ids[a.id].Equal(a.at) {
			delete(p.ids, a.id)
		}
		n++
	}
	p.old = p.old[n:]
}

// repeated reports whether a pending event repeats one that is in the stream, and was
// accepted within the duplicate window before it. Of the others the server knows.
func (r *relay) repeated(e *openEntry, id string) (bool, error) {
	s := r.session
	now, window := r.cfg.now(), s.info.Duplicates
	if e.accepted.IsZero() {
		return false, nil
	}
	if sinceRead := now.Sub(s.plan.seen.read); now.Sub(e.accepted) > repeatLag && (sinceRead >= repeatLag/2 || sinceRead < 0) {
		oldest := e.accepted.Add(-window)
		if err := r.readRepeats(oldest, now.Add(repeatLag-window)); err != nil {
			return false, err
		}
		s.plan.seen.drop(oldest)
		s.plan.seen.read = now
	}
	first, there := s.plan.seen.ids[id]
	return there && !e.accepted.Before(first) && e.accepted.Sub(first) <= window, nil
}

// checkQueue looks for repetitions again, since the duplicate window may have passed
// while the messages of the queue could not be published.
func (r *relay) checkQueue() error {
	s, now := r.session, r.cfg.now()
	if now.Sub(s.checked) <= repeatLag {
		return nil
	}
	for _, it := range s.queue {
		if it.known != nil || it.entry.healing {
			continue
		}
		repeated, err := r.repeated(it.entry, it.msg.ID)
		if err != nil {
			return err
		}
		if repeated {
			it.finish(outcome{duplicate: true})
		}
	}
	s.checked = now
	return nil
}

// readRepeats takes the retained events that were accepted between two times.
func (r *relay) readRepeats(oldest, until time.Time) error {
	seen := r.session.plan.seen
	state := r.ledger.State()
	seen.next = max(seen.next, state.Released+1)
	return r.journalRange(seen.next, state.Done, func(seq journal.Seq, payload []byte) (bool, error) {
		at, err := ledger.AcceptedAt(payload)
		if err != nil || at.After(until) {
			return false, err
		}
		if at.Before(oldest) {
			seen.next = seq + 1
			return true, nil
		}
		_, msgs, err := ledger.DecodeEntry(payload, r.cfg.keys)
		if err != nil {
			return false, fmt.Errorf("journal entry %d: %w", seq, err)
		}
		places := r.ledger.Sequences(seq)
		for i, m := range msgs {
			if i < len(places) && places[i] != ledger.NoSequence {
				seen.add(m.ID, at)
			}
		}
		seen.next = seq + 1
		return true, nil
	})
}
