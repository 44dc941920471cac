package publisher

import (
	"fmt"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// script makes the records of a journal by hand.
type script struct {
	tally
	last journal.Seq
}

func (s *script) entry(events int) *script {
	s.last++
	msgs := make([]broker.Message, events)
	for i := range msgs {
		msgs[i] = broker.Message{Subject: "treble.message.read", ID: fmt.Sprintf("%d-%d", s.last, i)}
	}
	s.add(journal.Record{Type: journal.Entry, Seq: s.last, Payload: encodeEntry(msgs)})
	return s
}

// lose is an entry that is lost to damage.
func (s *script) lose() *script {
	s.last++
	return s
}

func (s *script) settled(entry journal.Seq, duplicate int64, seqs ...uint64) *script {
	m := mark{Settled: &settlement{Entry: entry, Seqs: seqs, Duplicate: duplicate}}
	s.add(journal.Record{Type: journal.Mark, Seq: s.last, Payload: m.encode()})
	return s
}

func (s *script) healed(entry journal.Seq, seqs ...uint64) *script {
	m := mark{Healed: &settlement{Entry: entry, Seqs: seqs}}
	s.add(journal.Record{Type: journal.Mark, Seq: s.last, Payload: m.encode()})
	return s
}

func (s *script) checkpoint(done journal.Seq, t Totals) *script {
	l := ledger{state: ledgerState{Done: done, Totals: t}}
	s.add(journal.Record{Type: journal.Checkpoint, Seq: s.last, Payload: l.checkpoint()})
	return s
}

// released begins a journal whose first entries are gone.
func released(upTo journal.Seq) *script { return &script{last: upTo} }

func TestTally(t *testing.T) {
	young := func() *script { return &script{} }
	for _, c := range []struct {
		name    string
		script  *script
		first   journal.Seq
		want    Account
		problem string
	}{
		{"empty", young(), 1, Account{}, ""},
		{"pending", young().entry(1).entry(3), 1, Account{Totals: Totals{Accepted: 4}, Pending: 4}, ""},
		{"settled", young().entry(1).entry(3).settled(1, 0, 7).settled(2, 1, 8, 0, 9), 1,
			Account{Totals: Totals{Accepted: 4, Stored: 2, Duplicate: 1, SetAside: 1}, Retained: 2}, ""},
		{"mark-twice", young().entry(2).settled(1, 0, 7, 8).settled(1, 0, 7, 8), 1, Account{Totals: Totals{Accepted: 2, Stored: 2}, Retained: 1}, ""},
		{"healed", young().entry(2).settled(1, 0, 7, 8).healed(1, 9, 10), 1, Account{Totals: Totals{Accepted: 2, Stored: 2, Healed: 2}, Retained: 1}, ""},
		{"checkpoint-covers-marks", young().entry(2).settled(1, 0, 7, 8).entry(1).checkpoint(1, Totals{Accepted: 2, Stored: 2}), 1,
			Account{Totals: Totals{Accepted: 3, Stored: 2}, Pending: 1, Retained: 1}, ""},
		{"marks-behind-checkpoint-that-covers-them", young().entry(2).checkpoint(1, Totals{Accepted: 2, Stored: 2, Healed: 2}).settled(1, 0, 7, 8).healed(1, 9, 10), 1,
			Account{Totals: Totals{Accepted: 2, Stored: 2, Healed: 2}, Retained: 1}, ""},
		{"marks-dropped", young().entry(2).entry(1).checkpoint(2, Totals{Accepted: 3, Stored: 3}), 1, Account{Totals: Totals{Accepted: 3, Stored: 3}, Retained: 2}, ""},
		{"old", released(9).checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).settled(8, 0, 1).settled(9, 0, 2, 3), 10,
			Account{Totals: Totals{Accepted: 74, Stored: 73}, Pending: 1}, ""},
		{"old-without-marks", released(9).checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1), 10, Account{Totals: Totals{Accepted: 71, Stored: 70}, Pending: 1}, ""},
		{"old-and-marks-begin-later", released(9).checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).settled(10, 0, 5), 10, Account{Totals: Totals{Accepted: 71, Stored: 71}, Retained: 1}, ""},
		{"lost-pending", young().entry(1).lose().entry(1), 1, Account{Totals: Totals{Accepted: 3, Damaged: 1}, Pending: 2}, ""},
		{"lost-and-passed", young().entry(1).lose().entry(1).settled(1, 0, 1).settled(3, 0, 2), 1, Account{Totals: Totals{Accepted: 3, Stored: 2, Damaged: 1}, Retained: 2}, ""},
		{"lost-after-it-was-stored", young().entry(1).lose().settled(1, 0, 1).settled(2, 0, 2, 3), 1, Account{Totals: Totals{Accepted: 3, Stored: 3}, Retained: 1}, ""},
		{"lost-and-a-checkpoint-knows", young().entry(1).lose().entry(1).checkpoint(3, Totals{Accepted: 5, Stored: 5}), 1, Account{Totals: Totals{Accepted: 5, Stored: 5}, Retained: 2}, ""},
		{"first-header-lost", released(9).entry(1).settled(10, 0, 5).checkpoint(10, Totals{Accepted: 71, Stored: 71}), 10, Account{Totals: Totals{Accepted: 71, Stored: 71}, Retained: 1}, ""},

		// What must not be, and must be seen.
		{"no-mark", young().entry(2).entry(1).settled(2, 0, 1), 1, Account{Totals: Totals{Accepted: 3, Stored: 1}, Retained: 2, Unaccounted: 2}, "no mark says"},
		{"mark-of-fewer", young().entry(3).settled(1, 0, 1, 2), 1, Account{Totals: Totals{Accepted: 3, Stored: 2}, Retained: 1, Unaccounted: 1}, "has 3 events, and its mark settles 2"},
		{"checkpoint-of-fewer", young().entry(3).checkpoint(1, Totals{Accepted: 2, Stored: 2}), 1, Account{Totals: Totals{Accepted: 3, Stored: 2}, Retained: 1, Unaccounted: 1}, ""},
		{"checkpoint-behind-marks", young().entry(1).settled(1, 0, 1).checkpoint(0, Totals{}), 1, Account{Totals: Totals{Accepted: 1, Stored: 1}, Retained: 1}, "marks before it up to 1"},
		{"checkpoint-ahead", young().entry(1).checkpoint(2, Totals{}), 1, Account{Totals: Totals{Accepted: 1}, Pending: 1}, "says that entry 2 is settled"},
		{"mark-ahead", young().entry(1).settled(2, 0, 1), 1, Account{Totals: Totals{Accepted: 1}, Pending: 1}, "stands behind entry 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := c.script.finish(journal.Report{First: c.first, Last: c.script.last})
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if problems := strings.Join(c.script.problems, "; "); c.problem == "" && problems != "" || !strings.Contains(problems, c.problem) {
				t.Errorf("got problems %q, want %q", problems, c.problem)
			}
		})
	}
}

func TestTallyOfNonsense(t *testing.T) {
	var s tally
	for _, kind := range []journal.Type{journal.Entry, journal.Mark, journal.Checkpoint} {
		s.add(journal.Record{Type: kind, Seq: 1, Payload: []byte("nonsense")})
	}
	if len(s.problems) != 3 {
		t.Errorf("got problems %q, want one for each record", s.problems)
	}
	for range 2 * maxProblems {
		s.add(journal.Record{Type: journal.Mark, Seq: 1, Payload: []byte("nonsense")})
	}
	if len(s.problems) != maxProblems || s.moreProblems != maxProblems+3 {
		t.Errorf("%d problems are listed and %d counted; want %d and %d", len(s.problems), s.moreProblems, maxProblems, maxProblems+3)
	}
}

// A million pending entries take little memory, and a hole of any size none.
func TestRunsAreSmall(t *testing.T) {
	var r runs
	for i := range 1_000_000 {
		r.push(journal.Seq(i+1), 1)
	}
	r.push(1<<60, 2)
	if len(r) != 2 {
		t.Errorf("got %d elements, want 2", len(r))
	}
	if entries, events := r.take(10); entries != 10 || events != 10 {
		t.Errorf("got %d, %d, want 10, 10", entries, events)
	}
	if entries, events := r.take(1 << 61); entries != 999_991 || events != 999_992 {
		t.Errorf("got %d, %d, want 999991, 999992", entries, events)
	}
}
