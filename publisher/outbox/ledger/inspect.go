package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Inspection has the figures of a journal, counted from its records one by one.
type Inspection struct {
	Account
	journal.Report
	Done           journal.Seq // entries up to it are settled
	PendingEntries int64
	// Oldest is when the oldest pending message was accepted; zero if none is pending, or
	// an older program accepted it.
	Oldest      time.Time
	Entries     int64 // records that were read
	Marks       int64
	Checkpoints int64
	// Problems are records that are whole, and do not fit the others. There are none
	// unless this program has a defect, or somebody changed the files.
	Problems []string
}

// Sound reports whether every record is as it was written and every event is
// accounted for.
func (s *Inspection) Sound() bool {
	return len(s.Report.Damage) == 0 && len(s.Problems) == 0 && s.Unaccounted == 0
}

// ErrNoJournal: there is no journal in the directory.
var ErrNoJournal = errors.New("there is no journal")

// Inspect reads every record of the journal in dir. It changes nothing, needs no NATS,
// and the outbox may be open: its marks reach the disk with the next entry, or after about a
// second, and so long the figures may lag. Keys open what is encrypted; an entry whose key is
// missing is one of the Problems.
func Inspect(ctx context.Context, dir string, keys *atrest.Keys) (*Inspection, error) {
	s, _, err := inspect(ctx, dir, keys)
	return s, err
}

// inspect is Inspect, and returns what is known of the entries besides.
func inspect(ctx context.Context, dir string, keys *atrest.Keys) (*Inspection, *Ledger, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNoJournal
	}
	l := &Ledger{}
	var accepted runs // Unix milliseconds, by entry
	report, err := journal.Scan(dir, nil, func(r journal.Record) error {
		if r.Type == journal.Entry {
			_, _, err := DecodeEntry(r.Payload, keys)
			if err != nil {
				l.account.problem("entry %d cannot be read: %v", r.Seq, err)
			}
			h, errHead := decodeHead(r.Payload)
			if _, missing := errors.AsType[*atrest.MissingKeyError](err); errHead != nil || err != nil && !missing {
				return ctx.Err() // it is counted as damaged
			}
			if !h.accepted.IsZero() {
				accepted.push(r.Seq, h.accepted.UnixMilli(), 0)
			}
			if done := l.State().Done; r.Seq <= done {
				l.account.problem("entry %d stands behind what says that it is settled", r.Seq)
			} else {
				accepted.take(done)
			}
		}
		return errors.Join(l.Recover(r), ctx.Err())
	})
	if err != nil {
		return nil, nil, err
	}
	l.Recovered(report.First, report.Last, false)
	done := l.State().Done
	accepted.take(done)
	s := &Inspection{
		Report: report, Account: l.Account(), Done: done,
		Entries: l.account.entries, Marks: l.account.marks, Checkpoints: l.account.checkpoints,
		Problems: l.account.problems,
	}
	for _, r := range l.account.open {
		s.PendingEntries += r.count
	}
	if len(accepted) > 0 && accepted[0].first <= done+1 {
		s.Oldest = time.UnixMilli(accepted[0].events)
	}
	if n := l.account.moreProblems; n > 0 {
		s.Problems = append(s.Problems, fmt.Sprintf("and %d more", n))
	}
	return s, l, nil
}

// JournaledMessage is a message in a journal, published or not.
type JournaledMessage struct {
	broker.Message
	Accepted time.Time // zero if an older program accepted it
	Entry    journal.Seq
	Settled  bool // it is in the stream, or set aside
	// Sequence is where the stream is taken to hold it. 0: it is not published again
	// if it is missing there, or it is pending.
	Sequence uint64
}

// Each calls fn with every message in the journal in dir, and with what cannot be
// read as messages, as Data alone. It changes nothing, and the outbox may be open. It
// returns the error of fn, or of ctx, and a *atrest.MissingKeyError before it has left out anything.
func Each(ctx context.Context, dir string, keys *atrest.Keys, fn func(JournaledMessage) error) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	state, l, err := inspect(ctx, dir, keys) // marks stand behind the entries that they are of
	if err != nil {
		return err
	}
	_, err = journal.Scan(dir, nil, func(r journal.Record) error {
		if r.Type != journal.Entry {
			return ctx.Err()
		}
		settled := r.Seq <= state.Done
		accepted, msgs, err := DecodeEntry(bytes.Clone(r.Payload), keys) // fn may keep what it gets
		if _, missing := errors.AsType[*atrest.MissingKeyError](err); missing {
			return fmt.Errorf("entry %d: %w", r.Seq, err)
		}
		if err != nil {
			return fn(JournaledMessage{Message: broker.Message{Data: r.Payload}, Entry: r.Seq, Settled: settled})
		}
		places := l.Sequences(r.Seq)
		for i, m := range msgs {
			if m.Erased {
				continue
			}
			k := JournaledMessage{Message: m, Accepted: accepted, Entry: r.Seq, Settled: settled}
			if i < len(places) {
				k.Sequence = places[i]
			}
			if err := fn(k); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return err
}

// ForgetIn is Outbox.Forget for a journal that no outbox has open: the caller holds the
// lock of the data directory.
func ForgetIn(dir string, seqs []uint64) error {
	if _, err := os.Stat(dir); len(seqs) == 0 || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l := &Ledger{}
	j, err := journal.Open(dir, journal.Options{Checkpoint: l.Checkpoint, OnFlush: l.CountEntry}, l.Recover)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	l.Recovered(j.Stats().First, j.Stats().Last, len(j.Damage()) > 0)
	set := map[uint64]bool{}
	for _, seq := range seqs {
		set[seq] = true
	}
	for _, m := range l.Forget(set) {
		l.Record(j, m)
	}
	return j.Close()
}
