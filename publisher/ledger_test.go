package publisher

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// recovered replays records made by hand into a ledger.
type recovered struct {
	t    *testing.T
	l    ledger
	last journal.Seq
}

func (r *recovered) record(kind journal.Type, payload []byte) *recovered {
	r.t.Helper()
	if err := r.l.recover(journal.Record{Type: kind, Seq: r.last, Payload: payload}); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *recovered) entry(events int) *recovered {
	r.last++
	return r.record(journal.Entry, encodeEntry(make([]broker.Message, events)))
}

func (r *recovered) lose() *recovered { r.last++; return r }

func (r *recovered) settled(entry journal.Seq, duplicate int64, seqs ...uint64) *recovered {
	return r.record(journal.Mark, mark{Settled: &settlement{Entry: entry, Seqs: seqs, Duplicate: duplicate}}.encode())
}

func (r *recovered) checkpoint(done journal.Seq, t Totals) *recovered {
	l := ledger{state: ledgerState{Done: done, Totals: t}}
	return r.record(journal.Checkpoint, l.checkpoint())
}

// TestLedgerRecovers: what a restart makes of a journal, whole or not.
func TestLedgerRecovers(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  journal.Seq // entries that were released with their segments
		script func(*recovered) *recovered
		want   Account
		done   journal.Seq
	}{
		{"empty", 0, func(r *recovered) *recovered { return r }, Account{}, 0},
		{"pending", 0, func(r *recovered) *recovered { return r.entry(1).entry(3) }, Account{Totals: Totals{Accepted: 4}, Pending: 4}, 0},
		{"settled", 0, func(r *recovered) *recovered { return r.entry(1).entry(3).settled(1, 0, 7).settled(2, 1, 8, 0, 9) },
			Account{Totals: Totals{Accepted: 4, Stored: 2, Duplicate: 1, SetAside: 1}, Retained: 2}, 2},
		{"mark-twice", 0, func(r *recovered) *recovered { return r.entry(2).settled(1, 0, 7, 8).settled(1, 0, 7, 8) },
			Account{Totals: Totals{Accepted: 2, Stored: 2}, Retained: 1}, 1},
		{"mark-lost-entry-intact", 0, func(r *recovered) *recovered { return r.entry(3).entry(1).settled(2, 0, 4) },
			Account{Totals: Totals{Accepted: 4, Stored: 1, Damaged: 3}, Retained: 1}, 2},
		{"entry-lost-and-passed", 0, func(r *recovered) *recovered { return r.entry(1).lose().entry(1).settled(1, 0, 1).settled(3, 0, 2) },
			Account{Totals: Totals{Accepted: 3, Stored: 2, Damaged: 1}, Retained: 1}, 3},
		{"entry-lost-after-it-was-settled", 0, func(r *recovered) *recovered { return r.entry(1).lose().settled(1, 0, 1).settled(2, 0, 2, 3) },
			Account{Totals: Totals{Accepted: 3, Stored: 3}, Retained: 2}, 2},
		{"entry-lost-and-a-checkpoint-knows", 0, func(r *recovered) *recovered {
			return r.entry(1).lose().entry(1).checkpoint(3, Totals{Accepted: 5, Stored: 5})
		}, Account{Totals: Totals{Accepted: 5, Stored: 5}}, 3},
		{"checkpoint-covers-marks", 0, func(r *recovered) *recovered {
			return r.entry(2).checkpoint(1, Totals{Accepted: 2, Stored: 2}).settled(1, 0, 7, 8).entry(1)
		}, Account{Totals: Totals{Accepted: 3, Stored: 2}, Pending: 1}, 1},
		{"marks-dropped", 0, func(r *recovered) *recovered {
			return r.entry(2).entry(1).checkpoint(2, Totals{Accepted: 3, Stored: 3})
		}, Account{Totals: Totals{Accepted: 3, Stored: 3}}, 2},
		{"old", 9, func(r *recovered) *recovered {
			return r.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).settled(8, 0, 1).settled(9, 0, 2, 3)
		}, Account{Totals: Totals{Accepted: 74, Stored: 73}, Pending: 1, Retained: 2}, 9},
		{"old-without-marks", 9, func(r *recovered) *recovered { return r.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1) },
			Account{Totals: Totals{Accepted: 71, Stored: 70}, Pending: 1}, 9},
		{"old-and-marks-begin-later", 9, func(r *recovered) *recovered {
			return r.checkpoint(7, Totals{Accepted: 70, Stored: 70}).entry(1).settled(10, 0, 5)
		}, Account{Totals: Totals{Accepted: 71, Stored: 71}, Retained: 1}, 10},
		{"first-header-lost", 999, func(r *recovered) *recovered { return r.entry(1).entry(1).settled(1000, 0, 5) },
			Account{Totals: Totals{Accepted: 2, Stored: 1}, Pending: 1, Retained: 1}, 1000},
		{"first-header-lost-checkpoint-later", 999, func(r *recovered) *recovered {
			return r.entry(1).settled(1000, 0, 5).checkpoint(1000, Totals{Accepted: 1000, Stored: 1000})
		}, Account{Totals: Totals{Accepted: 1000, Stored: 1000}}, 1000},
		// A mark that does not say of each event what became of it is seen.
		{"mark-of-fewer", 0, func(r *recovered) *recovered { return r.entry(3).settled(1, 0, 1, 2) },
			Account{Totals: Totals{Accepted: 3, Stored: 2}, Retained: 1, Unaccounted: 1}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recovered{t: t, last: c.after}
			c.script(r).l.recovered(c.after + 1)
			if got := r.l.account(); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if got := r.l.settledUpTo(); got != c.done {
				t.Errorf("settled up to %d, want %d", got, c.done)
			}
		})
	}
}
