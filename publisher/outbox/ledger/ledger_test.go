package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// script makes the records of a journal by hand.
type script struct {
	t    *testing.T
	l    Ledger
	last journal.Seq
}

func (s *script) record(kind journal.Type, payload []byte) *script {
	s.t.Helper()
	if err := s.l.Recover(journal.Record{Type: kind, Seq: s.last, Payload: payload}); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *script) entry(events int) *script {
	s.last++
	return s.record(journal.Entry, encodePlain(time.UnixMilli(int64(s.last)), make([]broker.Message, events)))
}

// lose is an entry that is lost to damage.
func (s *script) lose() *script { s.last++; return s }

func (s *script) mark(m Mark) *script { return s.record(journal.Mark, m.encode()) }

func (s *script) done(entry journal.Seq, duplicate, aside int64, seqs ...uint64) *script {
	return s.mark(Mark{Done: &EntryOutcome{Entry: entry, Seqs: seqs, Duplicate: duplicate, Aside: aside}})
}

func (s *script) old(entry journal.Seq, duplicate int64, seqs ...uint64) *script {
	return s.mark(Mark{OldSettled: &EntryOutcome{Entry: entry, Seqs: seqs, Duplicate: duplicate}})
}

func (s *script) healed(entry journal.Seq, seqs ...uint64) *script {
	return s.mark(Mark{Healed: &EntryOutcome{Entry: entry, Seqs: seqs}})
}

func (s *script) checkpoint(done journal.Seq, t Totals) *script {
	l := Ledger{state: State{Done: done}, account: account{Totals: t}}
	return s.record(journal.Checkpoint, l.Checkpoint())
}

// TestLedgerRecovers: what a restart makes of a journal, whole or not.
func TestLedgerRecovers(t *testing.T) {
	for _, c := range []struct {
		name    string
		after   journal.Seq // entries that were released with their segments
		script  func(*script) *script
		want    Account
		done    journal.Seq
		problem string
	}{
		{"empty", 0, func(s *script) *script { return s }, Account{}, 0, ""},
		{"pending", 0, func(s *script) *script { return s.entry(1).entry(3) }, Account{Totals: Totals{Accepted: 4}, Pending: 4}, 0, ""},
		{"settled", 0, func(s *script) *script { return s.entry(1).entry(3).done(1, 0, 0, 7).done(2, 1, 1, 8, 0, 0) },
			Account{Totals: Totals{Accepted: 4, Stored: 2, Duplicate: 1, SetAside: 1}, Retained: 2}, 2, ""},
		{"settled-by-an-older-program", 0, func(s *script) *script { return s.entry(1).entry(3).old(1, 0, 7).old(2, 1, 8, 0, 9) },
			Account{Totals: Totals{Accepted: 4, Stored: 2, Duplicate: 1, SetAside: 1}, Retained: 2}, 2, ""},
		{"stored-together", 0, func(s *script) *script {
			return s.entry(1).entry(1).entry(1).mark(Mark{Stored: &StoredRun{Entry: 1, Count: 2, Seq: 7}})
		}, Account{Totals: Totals{Accepted: 3, Stored: 2}, Pending: 1, Retained: 2}, 2, ""},
		{"stored-together-partly-known", 0, func(s *script) *script {
			return s.entry(1).entry(1).entry(1).done(1, 0, 0, 7).mark(Mark{Stored: &StoredRun{Entry: 1, Count: 3, Seq: 7}})
		}, Account{Totals: Totals{Accepted: 3, Stored: 3}, Retained: 3}, 3, ""},
		{"mark-twice", 0, func(s *script) *script { return s.entry(2).done(1, 0, 0, 7, 8).done(1, 0, 0, 7, 8) },
			Account{Totals: Totals{Accepted: 2, Stored: 2}, Retained: 1}, 1, ""},
		{"healed", 0, func(s *script) *script { return s.entry(2).done(1, 0, 0, 7, 8).healed(1, 9, 10) },
			Account{Totals: Totals{Accepted: 2, Stored: 2, Healed: 2}, Retained: 1}, 1, ""},
		{"released", 0, func(s *script) *script {
			return s.entry(1).entry(1).done(1, 0, 0, 7).done(2, 0, 0, 8).mark(Mark{Released: 1})
		}, Account{Totals: Totals{Accepted: 2, Stored: 2}, Retained: 1}, 2, ""},
		{"another-stream", 0, func(s *script) *script {
			return s.mark(Mark{Target: &Target{"A", "a"}}).entry(1).done(1, 0, 0, 7).entry(1).mark(Mark{Target: &Target{"B", "a"}})
		}, Account{Totals: Totals{Accepted: 2, Stored: 1}, Pending: 1}, 1, ""},
		{"another-prefix", 0, func(s *script) *script {
			return s.mark(Mark{Target: &Target{"A", "a"}}).entry(1).done(1, 0, 0, 7).mark(Mark{Target: &Target{"A", "b"}})
		}, Account{Totals: Totals{Accepted: 1, Stored: 1}, Retained: 1}, 1, ""},
		{"checkpoint-covers-marks", 0, func(s *script) *script {
			return s.entry(2).checkpoint(1, Totals{Accepted: 2, Stored: 2}).done(1, 0, 0, 7, 8).entry(1)
		}, Account{Totals: Totals{Accepted: 3, Stored: 2}, Pending: 1}, 1, ""},
		{"marks-dropped", 0, func(s *script) *script {
			return s.entry(2).entry(1).checkpoint(2, Totals{Accepted: 3, Stored: 3})
		}, Account{Totals: Totals{Accepted: 3, Stored: 3}}, 2, ""},
		{"old", 9, func(s *script) *script {
			return s.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).done(8, 0, 0, 1).done(9, 0, 0, 2, 3)
		}, Account{Totals: Totals{Accepted: 74, Stored: 73}, Pending: 1}, 9, ""},
		{"old-without-marks", 9, func(s *script) *script { return s.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1) },
			Account{Totals: Totals{Accepted: 71, Stored: 70}, Pending: 1}, 9, ""},
		{"old-and-marks-begin-later", 9, func(s *script) *script {
			return s.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).done(10, 0, 0, 5)
		}, Account{Totals: Totals{Accepted: 71, Stored: 71}, Retained: 1}, 10, ""},
		{"lost-pending", 0, func(s *script) *script { return s.entry(1).lose().entry(1) },
			Account{Totals: Totals{Accepted: 3, Damaged: 1}, Pending: 2}, 0, ""},
		{"lost-and-passed", 0, func(s *script) *script { return s.entry(1).lose().entry(1).done(1, 0, 0, 1).done(3, 0, 0, 2) },
			Account{Totals: Totals{Accepted: 3, Stored: 2, Damaged: 1}, Retained: 2}, 3, ""},
		{"lost-at-the-end", 0, func(s *script) *script { return s.entry(1).done(1, 0, 0, 1).lose().mark(Mark{Lost: 2, LostEvents: 1}) },
			Account{Totals: Totals{Accepted: 2, Stored: 1, Damaged: 1}, Retained: 1}, 2, ""},
		{"lost-after-it-was-stored", 0, func(s *script) *script { return s.entry(1).lose().done(1, 0, 0, 1).done(2, 0, 0, 2, 3) },
			Account{Totals: Totals{Accepted: 3, Stored: 3}, Retained: 2}, 2, ""},
		{"lost-and-a-checkpoint-knows", 0, func(s *script) *script {
			return s.entry(1).lose().entry(1).checkpoint(3, Totals{Accepted: 5, Stored: 5})
		}, Account{Totals: Totals{Accepted: 5, Stored: 5}}, 3, ""},
		{"first-header-lost", 999, func(s *script) *script { return s.entry(1).entry(1).done(1000, 0, 0, 5) },
			Account{Totals: Totals{Accepted: 2, Stored: 1}, Pending: 1, Retained: 1}, 1000, ""},
		{"first-header-lost-checkpoint-later", 999, func(s *script) *script {
			return s.entry(1).done(1000, 0, 0, 5).checkpoint(1000, Totals{Accepted: 1000, Stored: 1000})
		}, Account{Totals: Totals{Accepted: 1000, Stored: 1000}, Retained: 1}, 1000, ""},

		// What must not be, and must be seen.
		{"no-mark", 0, func(s *script) *script { return s.entry(2).entry(1).done(2, 0, 0, 1) },
			Account{Totals: Totals{Accepted: 3, Stored: 1, Damaged: 2}, Retained: 1}, 2, "no mark says"},
		{"mark-of-fewer", 0, func(s *script) *script { return s.entry(3).done(1, 0, 0, 1, 2) },
			Account{Totals: Totals{Accepted: 3, Stored: 2}, Retained: 1, Unaccounted: 1}, 1, "has 3 events, and its mark settles 2"},
		{"checkpoint-of-fewer", 0, func(s *script) *script { return s.entry(3).checkpoint(1, Totals{Accepted: 2, Stored: 2}) },
			Account{Totals: Totals{Accepted: 3, Stored: 2}, Unaccounted: 1}, 1, ""},
		{"checkpoint-behind-marks", 0, func(s *script) *script { return s.entry(1).done(1, 0, 0, 1).checkpoint(0, Totals{}) },
			Account{Totals: Totals{Accepted: 1, Stored: 1}, Retained: 1}, 1, "marks before it up to 1"},
		{"checkpoint-ahead", 0, func(s *script) *script { return s.entry(1).checkpoint(2, Totals{}) },
			Account{Totals: Totals{Accepted: 1}, Pending: 1}, 0, "says that entry 2 is settled"},
		{"mark-ahead", 0, func(s *script) *script { return s.entry(1).done(2, 0, 0, 1) },
			Account{Totals: Totals{Accepted: 1}, Pending: 1}, 0, "stands behind entry 1"},
		{"nonsense", 0, func(s *script) *script {
			return s.entry(1).record(journal.Mark, []byte("nonsense")).record(journal.Checkpoint, []byte("nonsense"))
		}, Account{Totals: Totals{Accepted: 1}, Pending: 1}, 0, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{t: t, last: c.after}
			c.script(s).l.Recovered(c.after+1, s.last, false)
			if got := s.l.Account(); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if got := s.l.State().Done; got != c.done {
				t.Errorf("settled up to %d, want %d", got, c.done)
			}
			problems := strings.Join(s.l.account.problems, "; ")
			if c.problem == "" && problems != "" || !strings.Contains(problems, c.problem) {
				t.Errorf("got problems %q, want %q", problems, c.problem)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var a account
	for range 2*maxProblems + 3 {
		a.problem("nonsense")
	}
	if len(a.problems) != maxProblems || a.moreProblems != maxProblems+3 {
		t.Errorf("%d problems are listed and %d counted; want %d and %d", len(a.problems), a.moreProblems, maxProblems, maxProblems+3)
	}
}

// A million pending entries take little memory, and a hole of any size none.
func TestRunsAreSmall(t *testing.T) {
	var r runs
	for i := range 1_000_000 {
		r.push(journal.Seq(i+1), 1, 1000+int64(i%2))
	}
	r.push(1<<60, 2, 7)
	if most := 1_000_500_000/runBytes + 2; len(r) > most {
		t.Errorf("got %d elements, want %d at most", len(r), most)
	}
	if entries, events, bytes := r.take(10); entries != 10 || events != 10 || bytes != 10_000 {
		t.Errorf("got %d, %d, %d, want 10, 10, 10000", entries, events, bytes)
	}
	if entries, events, bytes := r.take(1 << 61); entries != 999_991 || events != 999_992 || bytes != 1_000_490_007 {
		t.Errorf("got %d, %d, %d, want 999991, 999992, 1000490007", entries, events, bytes)
	}
}

// TestPendingBytesOfLargeBehindSmall: what is left of a backlog is counted at its own size, not at the
// mean of what was settled before it.
func TestPendingBytesOfLargeBehindSmall(t *testing.T) {
	const small, large = 10_000, 1000
	var a account
	for i := range small + large {
		bytes := int64(1000)
		if i >= small {
			bytes = 1_000_000
		}
		a.entry(journal.Seq(i+1), 1, bytes, 0)
	}
	for i := range small {
		a.take(journal.Seq(i + 1))
	}
	if want := int64(large * 1_000_000); a.pendingBytes < want-runBytes || a.pendingBytes > want+runBytes {
		t.Errorf("got %d bytes, want about %d", a.pendingBytes, want)
	}
	if a.take(small + large); a.pendingBytes != 0 || a.pending != 0 {
		t.Errorf("got %d bytes and %d events when nothing is pending", a.pendingBytes, a.pending)
	}
}
