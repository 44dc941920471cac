package journal_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// slowOnce is a file system whose first flush of an entry takes a millisecond.
type slowOnce struct {
	journal.FS
	mu   sync.Mutex
	slow bool
}

type slowOnceFile struct {
	journal.File
	fs *slowOnce
}

func (s *slowOnce) OpenFile(name string, flag int, perm os.FileMode) (journal.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	return slowOnceFile{f, s}, err
}

func (f slowOnceFile) Sync() error {
	f.fs.mu.Lock()
	slow := f.fs.slow
	f.fs.slow = false
	f.fs.mu.Unlock()
	if slow {
		time.Sleep(time.Millisecond)
	}
	return f.File.Sync()
}

// TestGather: where many append again and again, a flush waits a moment for those that the one before served; a few
// wait for nobody.
func TestGather(t *testing.T) {
	const rounds = 20
	for _, tc := range []struct {
		name      string
		appenders int
		flushes   uint64 // at most
		took      time.Duration
	}{
		{"many", 16, 3 * rounds, 30 * time.Millisecond},
		{"few", 4, 4 * rounds, time.Millisecond + rounds*40*time.Microsecond},
		{"one", 1, rounds, time.Millisecond + rounds*10*time.Microsecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := &slowOnce{FS: journaltest.New()}
				j := open(t, journal.Options{FS: fs}, nil)
				fs.slow = true
				before, begun := j.Stats().Flushes, time.Now()
				var appending sync.WaitGroup
				for i := range tc.appenders {
					appending.Go(func() {
						for round := range rounds {
							if _, err := j.Append(t.Context(), fmt.Appendf(nil, "%d of %d", round, i)); err != nil {
								t.Error(err)
							}
							time.Sleep(time.Duration(i+1) * 10 * time.Microsecond) // none comes together with another
						}
					})
				}
				appending.Wait()
				took := time.Since(begun)
				if n := j.Stats().Flushes - before; n > tc.flushes {
					t.Errorf("%d flushes for %d rounds, want %d at most", n, rounds, tc.flushes)
				}
				if took > tc.took {
					t.Errorf("%d rounds took %s, want %s at most", rounds, took, tc.took)
				}
			})
		})
	}
}
