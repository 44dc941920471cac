package outbox

import (
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestReadFaultAfterAnOutage: whichever time a file of the journal cannot be opened, as without a free descriptor, all that is
// pending is published once and in order, and a repetition of what the server has forgotten is not.
func TestReadFaultAfterAnOutage(t *testing.T) {
	for n := 0; ; n++ {
		b := newBench(t)
		fs := journaltest.New()
		b.restart(func(o *Options) { o.FS, o.Dir = fs, "/journal" })
		all := natstest.Numbered("e", 8)
		b.accept(all[:4]...)
		b.settle()
		b.client.SetUp(false)
		b.pass(9 * time.Minute)
		b.accept(all[4:6]...)
		b.accept(all[3])
		b.accept(all[6:]...)
		b.pass(time.Minute)
		b.restart() // so that nothing is in memory
		fail := journaltest.FailNth(n, false, syscall.EMFILE, journaltest.Is("/journal/", journaltest.Open))
		failed := false
		fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
			f := fail(op)
			failed = failed || f != nil
			return f
		})
		b.client.SetUp(true)
		b.pass(time.Minute)
		b.want(all...)
		if a := b.b.Account(); a.Stored != 8 || a.Duplicate != 1 || a.Damaged != 0 {
			t.Errorf("fault %d: account %+v", n, a)
		}
		if !failed {
			if n < 2 {
				t.Errorf("%d files were opened, want some", n)
			}
			return
		}
	}
}
