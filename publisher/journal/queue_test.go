package journal

import "testing"

// What waits takes no more memory than its number, however much was taken or withdrawn before.
func TestQueueIsBounded(t *testing.T) {
	bounded := func(t *testing.T, q *queue, live int) {
		t.Helper()
		if q.live != live || len(q.requests) > 2*live+64 {
			t.Fatalf("%d wait, want %d; %d are kept", q.live, live, len(q.requests))
		}
	}
	t.Run("never-empty", func(t *testing.T) {
		q := &queue{}
		q.push(&request{seq: 0})
		for i := range 10_000 {
			q.push(&request{seq: Seq(i + 1)})
			if r := q.pop(); r.seq != Seq(i) {
				t.Fatalf("got %d, want %d", r.seq, i)
			}
			bounded(t, q, 1)
		}
	})
	t.Run("withdrawn", func(t *testing.T) {
		q := &queue{}
		q.push(&request{seq: 7})
		for range 10_000 {
			r := &request{}
			q.push(r)
			if !q.withdraw(r) || q.withdraw(r) {
				t.Fatal("a request is withdrawn once")
			}
			bounded(t, q, 1)
		}
		if r := q.pop(); r == nil || r.seq != 7 || q.withdraw(r) || q.pop() != nil {
			t.Errorf("got %+v, want the one that waits, which can then not be withdrawn", r)
		}
	})
}
