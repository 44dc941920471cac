package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// lookup looks for messages in the stream, during one reconcile.
type lookup struct {
	relay     *relay
	info      broker.Info
	state     ledger.State
	retained  ledger.Retained
	another   bool // the stream is another one than that of the retained sequences
	restarted bool // it may lack what it had acknowledged

	suspects    []suspect // retained messages that are not at their sequences
	more        bool      // there are more suspects
	inPlace     uint64    // the highest sequence of a retained message that is where it was
	wanted      map[string]bool
	anywhere    map[string]uint64    // sequences of the suspects, by id, where they are after all
	unsettledIn map[string]unsettled // what was sent, maybe, and is not settled, by id
	unsettledAt map[string][]uint64  // its sequences, in order
}

// unsettled are the messages of one id that are not settled.
type unsettled struct {
	count int
	last  journal.Seq // of their entries
}

// suspect is a retained message that is not where it was.
type suspect struct {
	entry    journal.Seq
	index    int
	id       string
	seq      uint64 // where it was
	other    bool   // another message is there
	accepted time.Time
}

// maxSuspects bounds what is looked for at once. The rest is looked for when these
// are healed.
const maxSuspects = 50_000

// misplaced compares the sequences of the retained messages with the ids that are there
// now. Both are read in the order of the stream, once.
func (l *lookup) misplaced(ctx context.Context) error {
	lowest, any := l.retained.Lowest()
	if !any {
		return nil
	}
	k := newRetainedReader(l)
	defer k.close()
	m, ok, err := k.next()
	if !l.another && lowest <= l.info.Last {
		for at, scanErr := range l.relay.stream.IDs(ctx, lowest, min(l.retained.Highest(), l.info.Last)) {
			if err = cmpErr(err, scanErr); err != nil {
				return err
			}
			l.relay.scanned.Add(1)
			for ok && m.seq < at.Seq {
				l.suspect(m)
				if m, ok, err = k.next(); err != nil {
					return err
				}
			}
			if ok && m.seq == at.Seq {
				if m.other = m.id != at.ID; m.other {
					l.suspect(m)
				} else if l.unsettledIn[m.id].count == 0 { // else it may be a repetition that came to the same place
					l.inPlace = m.seq
				}
				m, ok, err = k.next()
			}
			if !ok || l.more {
				break
			}
		}
	}
	for ; err == nil && ok && !l.more; m, ok, err = k.next() {
		l.suspect(m)
	}
	return err
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (l *lookup) suspect(m suspect) {
	if len(l.suspects) == maxSuspects {
		l.more = true
		return
	}
	l.suspects = append(l.suspects, m)
	l.want(m.id)
}

func (l *lookup) want(id string) {
	if l.wanted == nil {
		l.wanted = map[string]bool{}
	}
	l.wanted[id] = true
}

// wantUnsettled wants the ids of the entries that are not settled and may have been sent,
// up to one.
func (l *lookup) wantUnsettled(sent journal.Seq) error {
	l.unsettledAt, l.unsettledIn = map[string][]uint64{}, map[string]unsettled{}
	return l.relay.journalRange(l.state.Done+1, sent, func(seq journal.Seq, payload []byte) (bool, error) {
		_, msgs, err := ledger.DecodeEntry(payload, l.relay.cfg.keys)
		if err != nil {
			return false, fmt.Errorf("journal entry %d: %w", seq, err)
		}
		for _, m := range msgs {
			l.want(m.ID)
			l.unsettledIn[m.ID] = unsettled{l.unsettledIn[m.ID].count + 1, seq}
		}
		return true, nil
	})
}

// foundUpTo returns the last entry of which an unsettled message was found, 0 if none was,
// and whether all were.
func (l *lookup) foundUpTo() (last journal.Seq, all bool) {
	all = true
	for id, u := range l.unsettledIn {
		at := l.unsettledAt[id]
		if len(at) > 0 {
			last = max(last, u.last)
		}
		all = all && len(at) >= u.count
	}
	return last, all
}

// search looks for what is wanted. Unsettled messages are behind floor.
func (l *lookup) search(ctx context.Context, floor uint64) error {
	l.anywhere = map[string]uint64{}
	if len(l.wanted) == 0 {
		return nil
	}
	from := floor + 1
	if len(l.suspects) > 0 {
		lowest, _ := l.retained.Lowest()
		if l.unsettledAt == nil {
			from = lowest
		}
		from = min(from, lowest)
		if l.state.Left > 0 {
			from = min(from, l.state.Left)
		}
		if l.state.Healing > 0 {
			from = min(from, l.state.Healing)
		}
		if l.another {
			from = 1
		}
	}
	from = max(from, l.info.First, 1)
	if from > l.info.Last {
		return nil
	}
	for at, err := range l.relay.stream.IDs(ctx, from, l.info.Last) {
		if err != nil {
			return err
		}
		l.relay.scanned.Add(1)
		if at.ID == "" || !l.wanted[at.ID] {
			continue
		}
		if _, twice := l.anywhere[at.ID]; !twice {
			l.anywhere[at.ID] = at.Seq
		}
		if l.unsettledIn[at.ID].count > len(l.unsettledAt[at.ID]) && at.Seq > floor {
			l.unsettledAt[at.ID] = append(l.unsettledAt[at.ID], at.Seq)
		}
	}
	return nil
}

// classify returns what was lost. What is at another sequence now, or was removed on
// purpose, is noted.
func (l *lookup) classify(ctx context.Context) (lost []lostEntry, err error) {
	slices.SortStableFunc(l.suspects, func(a, b suspect) int {
		return cmp.Or(cmp.Compare(a.entry, b.entry), cmp.Compare(a.index, b.index))
	})
	for i := 0; i < len(l.suspects); {
		first := l.suspects[i]
		e := lostEntry{entry: first.entry, seqs: slices.Clone(l.retained.Get(first.entry))}
		moved := false
		for ; i < len(l.suspects) && l.suspects[i].entry == first.entry; i++ {
			m := l.suspects[i]
			seq, there := l.anywhere[m.id]
			if !there {
				if seq, there, err = l.leaderHas(ctx, m); err != nil {
					return nil, err
				}
			}
			switch {
			case there:
				moved = moved || seq != m.seq
				e.seqs[m.index] = seq
			case l.isLost(m):
				e.messages = append(e.messages, m.index)
			default:
				moved = true
				e.seqs[m.index] = ledger.NoSequence
			}
		}
		if moved {
			l.relay.record(ledger.Mark{Moved: &ledger.EntryOutcome{Entry: e.entry, Seqs: slices.Clone(e.seqs)}})
		}
		if len(e.messages) > 0 {
			lost = append(lost, e)
		}
	}
	return lost, nil
}

// leaderHas looks for a message at its sequence. The ids may have been read from a replica
// whose disk lost some: what the leader has is in the stream.
func (l *lookup) leaderHas(ctx context.Context, m suspect) (seq uint64, there bool, err error) {
	if l.another || m.other || m.seq < l.info.First || m.seq > l.info.Last {
		return 0, false, nil
	}
	id, there, err := l.relay.stream.ID(ctx, m.seq)
	return m.seq, there && id == m.id, err
}

// isLost reports whether a message that was acknowledged at a sequence, and is nowhere
// in the stream, was lost rather than removed on purpose by a limit, a purge or a
// delete. A hole that appears together with a recovery of the stream is a loss:
// JetStream flushes its blocks every two minutes, in no order. What the stream
// lacked before, while it was served by the same process, was removed.
func (l *lookup) isLost(m suspect) bool {
	switch {
	case l.another, m.other, m.seq > l.info.Last:
		return true
	case !l.restarted:
		return false
	case m.seq < l.info.First:
		return m.seq >= l.state.First && l.state.First > 0 && !l.info.Discards && !l.relay.tooOld(l.info, m.accepted)
	}
	return !l.info.PerSubject
}

// retainedReader reads the retained messages in the order of their sequences.
type retainedReader struct {
	l      *lookup
	spans  []ledger.Span
	at     journal.Seq // the next entry of the first span
	reader *journal.Reader
	queue  []suspect
}

func newRetainedReader(l *lookup) *retainedReader {
	return &retainedReader{l: l, spans: l.retained.BySequence()}
}

func (k *retainedReader) close() {
	if k.reader != nil {
		k.reader.Close()
	}
}

// next returns the next message. Entries that damage took are passed over: nothing can
// be healed with them.
func (k *retainedReader) next() (suspect, bool, error) {
	for len(k.queue) == 0 {
		if len(k.spans) == 0 {
			return suspect{}, false, nil
		}
		if err := k.read(); err != nil {
			return suspect{}, false, err
		}
	}
	m := k.queue[0]
	k.queue = k.queue[1:]
	return m, true, nil
}

// read queues the messages of the next entry.
func (k *retainedReader) read() error {
	s := k.spans[0]
	k.at = max(k.at, s.First)
	if k.at < s.First || k.at >= s.End() {
		k.spans, k.at = k.spans[1:], 0
		return nil
	}
	if k.reader == nil || k.reader.Pos() != k.at {
		k.close()
		k.reader = k.l.relay.journal.NewReader(k.at)
	}
	rec, ok, err := k.reader.Try()
	if err != nil {
		return err
	}
	if !ok || rec.Seq >= s.End() {
		k.spans, k.at = k.spans[1:], 0 // the rest of the span is lost
		return nil
	}
	k.at = rec.Seq + 1
	accepted, msgs, err := ledger.DecodeEntry(rec.Payload, k.l.relay.cfg.keys)
	seqs := s.Sequences(rec.Seq)
	if err != nil || len(seqs) != len(msgs) {
		return nil // of another version, or damaged: it heals nothing
	}
	for i, m := range msgs {
		if seqs[i] != ledger.NoSequence && !m.Erased {
			k.queue = append(k.queue, suspect{entry: rec.Seq, index: i, id: m.ID, seq: seqs[i], accepted: accepted})
		}
	}
	return nil
}
