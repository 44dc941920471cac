package connections

import (
	"sync"
	"testing"
)

// TestAnswersNotTaken: a stranger's connection has four answers waiting; one that showed a credential may have
// more, but all together no more than as many strangers.
func TestAnswersNotTaken(t *testing.T) {
	bounds := New(2, 0, func(string) {})
	var waiting sync.WaitGroup
	taken := make(chan struct{})
	// wait has n answers of a connection wait, and returns how many of them may.
	wait := func(b *Conn, n int) (may int) {
		for range n {
			begun := make(chan bool, 1)
			waiting.Go(func() {
				if !b.answer(func() { begun <- true; <-taken }) {
					begun <- false
				}
			})
			if <-begun {
				may++
			}
		}
		return may
	}
	known, stranger, other := &Conn{connections: bounds}, &Conn{connections: bounds}, &Conn{connections: bounds}
	known.Trust()
	other.Trust()
	if got := wait(stranger, 5); got != mostAnswers {
		t.Errorf("of a stranger %d answers may wait, want %d", got, mostAnswers)
	}
	if got := wait(known, 10); got != mostAnswers {
		t.Errorf("with those of a stranger, %d of one with a credential may wait, want %d", got, mostAnswers)
	}
	if got := wait(other, 1); got != 1 {
		t.Error("the first answer of a connection may not wait")
	}
	close(taken)
	waiting.Wait()
	if n := bounds.answers.Load(); n != 0 {
		t.Errorf("%d answers wait when all are taken", n)
	}
}
