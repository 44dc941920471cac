package ledger

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// TestRetainedIsAMap holds the compressed form against a plain map.
func TestRetainedIsAMap(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var got Retained
		want := map[journal.Seq][]uint64{}
		at := map[journal.Seq]time.Duration{}
		next, seq := journal.Seq(1), uint64(1)
		var now time.Duration
		first := journal.Seq(1)
		for range 300 {
			now += time.Duration(r.Int64N(int64(400 * time.Millisecond)))
			switch k := r.IntN(10); {
			case k < 6:
				next += journal.Seq(r.IntN(20) / 19) // damage took one
				n := 1 + r.IntN(8)/7
				seqs := make([]uint64, n)
				for i := range seqs {
					if seq += uint64(r.IntN(10) / 9); r.IntN(15) > 0 {
						seqs[i] = seq
						seq++
					}
				}
				got.push(next, seqs, now)
				want[next], at[next] = seqs, now
				next++
			case k < 8 && next > first:
				e := first + journal.Seq(r.IntN(int(next-first)))
				if old := want[e]; old != nil {
					seqs := slices.Clone(old)
					seqs[r.IntN(len(seqs))] = uint64(r.IntN(3)) * seq
					if !got.set(e, seqs, now) {
						t.Fatalf("seed %d: entry %d is not retained", seed, e)
					}
					want[e], at[e] = seqs, now
				} else if got.set(e, []uint64{1}, now) {
					t.Fatalf("seed %d: entry %d is retained", seed, e)
				}
			case k == 8:
				upTo := got.settledBefore(now - time.Second)
				for e := first; e <= upTo; e++ {
					if at[e] >= now {
						t.Fatalf("seed %d: entry %d would be released too early", seed, e)
					}
					delete(want, e)
				}
				got.drop(upTo)
				first = max(first, upTo+1)
			}
			var count int64
			for e := journal.Seq(1); e < next+2; e++ {
				if !slices.Equal(got.Get(e), want[e]) {
					t.Fatalf("seed %d: entry %d is at %v, want %v", seed, e, got.Get(e), want[e])
				}
				if want[e] != nil {
					count++
				}
			}
			if got.count != count {
				t.Fatalf("seed %d: %d entries, want %d", seed, got.count, count)
			}
		}
	}
}

// What is stored in order takes a few elements, however much it is.
func TestRetainedIsSmall(t *testing.T) {
	var r Retained
	for i := range uint64(1_000_000) {
		r.push(journal.Seq(i+1), []uint64{i + 100}, time.Duration(i)*10*time.Microsecond)
	}
	if len(r.spans) > 11 {
		t.Errorf("a million entries of ten seconds take %d elements, want one a second", len(r.spans))
	}
}
