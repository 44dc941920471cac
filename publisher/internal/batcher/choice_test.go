package batcher

import (
	"fmt"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// choosing publishes with a choice, by senders that send again when they are answered, in a time of its own.
type choosing struct {
	choice
	wait  [2]time.Duration // of a request in each way
	fails [2]bool
	now   time.Time
	spent [2]time.Duration
	sent  [2]int
}

func (c *choosing) run(d time.Duration) {
	const senders = 16
	c.spent, c.sent = [2]time.Duration{}, [2]int{}
	for began := c.now; c.now.Sub(began) < d; {
		w, came := c.way, c.now
		c.now = c.now.Add(c.wait[w])
		c.spent[w] += c.wait[w]
		c.sent[w] += senders
		if w == inBatch {
			c.batchTook(c.wait[w], c.now)
		}
		for range senders {
			c.answered(came, c.now, !c.fails[w])
		}
	}
}

// TestChoice: both ways are tried, the one in which requests wait less is kept, trials of the other take a small part
// of the time, and it is found out when the other becomes better.
func TestChoice(t *testing.T) {
	for name, wait := range map[string][2]time.Duration{
		"batches are slow":          {inBatch: 10 * time.Millisecond, sideBySide: time.Millisecond},
		"batches are fast":          {inBatch: 2 * time.Millisecond, sideBySide: 10 * time.Millisecond},
		"side by side is very slow": {inBatch: 2 * time.Millisecond, sideBySide: 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			better, worse := sideBySide, inBatch
			if wait[inBatch] < wait[sideBySide] {
				better, worse = inBatch, sideBySide
			}
			c := choosing{wait: wait, now: time.Now()}
			c.run(10 * time.Second) // to find out
			c.run(10 * time.Minute)
			if c.way != better {
				t.Errorf("it took %d, want %d", c.way, better)
			}
			if share := c.spent[worse].Seconds() / 600; share == 0 || share > 0.05 {
				t.Errorf("the worse way had %.4f of the time, want a little", share)
			}
			c.wait[worse] = c.wait[better] / 2
			c.run(5 * time.Minute)
			if c.run(time.Minute); c.spent[worse] < c.spent[better] {
				t.Errorf("it stays with %d though %d has become better", better, worse)
			}
		})
	}
}

// TestChoiceAfterAPause: a trial that was under way when the senders stopped for the night does not put the next one off.
func TestChoiceAfterAPause(t *testing.T) {
	c := choosing{wait: [2]time.Duration{sideBySide: 2 * time.Millisecond, inBatch: 10 * time.Millisecond}, now: time.Now()}
	for !c.trial {
		c.run(time.Millisecond)
	}
	c.now = c.now.Add(8 * time.Hour)
	c.run(time.Minute)
	c.wait[sideBySide] = 100 * time.Millisecond
	if c.run(10 * time.Minute); c.way != inBatch {
		t.Error("it stays with a way that is ten times as slow as the other has become")
	}
}

// TestChoiceOfFailures: a way that fails fast is not taken for a fast one, and one in which all fail is left.
func TestChoiceOfFailures(t *testing.T) {
	for name, way := range map[string]way{"the way in use": inBatch, "the other": sideBySide} {
		t.Run(name, func(t *testing.T) {
			c := choosing{
				choice: choice{way: way}, fails: [2]bool{inBatch: true}, now: time.Now(),
				wait: [2]time.Duration{sideBySide: time.Millisecond, inBatch: time.Microsecond},
			}
			c.run(10 * time.Second)
			if c.run(10 * time.Minute); c.way != sideBySide || c.sent[inBatch] == 0 || c.sent[inBatch] > c.sent[sideBySide]/20 {
				t.Errorf("way %d, %d requests in the one that fails and %d in the other; want side by side, and the other tried", c.way, c.sent[inBatch], c.sent[sideBySide])
			}
		})
	}
}

// TestLoneRequestsChooseNothing: a request that comes alone leaves by itself in both ways, and says nothing of them.
func TestLoneRequestsChooseNothing(t *testing.T) {
	_, s := newTest(t)
	b := newBatcher(t, s)
	publish := func(id int) {
		if o := b.Publish(t.Context(), messages(fmt.Sprint(id))); o.Status != broker.Stored {
			t.Fatal(o.Err)
		}
	}
	for i := range 2 * measured {
		publish(i)
	}
	b.mu.Lock()
	if b.choice != (choice{}) {
		t.Errorf("got %+v", b.choice)
	}
	b.mu.Unlock()
	together(t, b, messages("a"), messages("b"))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.choice.stored != 2 {
		t.Errorf("two at once: got %+v", b.choice)
	}
}
