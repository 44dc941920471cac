package journal_test

import (
	"fmt"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// twice runs the script, ends it, and runs it again on the same disk.
func twice(fs *journaltest.FS) {
	s := &script{fs: fs}
	for i := range 2 {
		_ = s.run(fmt.Sprint("run", i), 12)
	}
}

func TestEveryCrashPoint(t *testing.T) {
	fs := journaltest.New()
	twice(fs)
	tried, err := crashes(t, fs, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d images of %d operations", tried, len(fs.Ops()))
}

// The test above is worth something only if it fails without the flush.
func TestCrashPointsNoticeMissingFlush(t *testing.T) {
	for name, breaks := range map[string]func(*journaltest.FS){
		"file":      func(fs *journaltest.FS) { fs.IgnoreSync = true },
		"directory": func(fs *journaltest.FS) { fs.IgnoreSyncDir = true },
		// Without zeros written ahead nothing is written within a file.
		"overwrite": func(fs *journaltest.FS) { fs.IgnoreOverwriteSync = true },
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			breaks(fs)
			twice(fs)
			_, err := crashes(t, fs, 1)
			if err == nil {
				t.Fatal("no crash point breaks the promise; the test cannot fail")
			}
			t.Log(err)
		})
	}
}

func TestFaultAtEveryCall(t *testing.T) {
	plain := journaltest.New()
	twice(plain)
	any := func(journaltest.Op) bool { return true }
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EACCES} {
		for _, always := range []int{1, 2, 7} {
			t.Run(fmt.Sprintf("%s-x%d", errnoName(errno), always), func(t *testing.T) {
				t.Parallel()
				tried := 0
				calls := 0
				for _, op := range plain.Ops() {
					if op.Kind != journaltest.Note {
						calls++
					}
				}
				step := 1
				if always > 1 {
					step = 3
				}
				if testing.Short() || raceEnabled {
					step = 7
				}
				for n := 0; n < calls; n += step {
					fs := journaltest.New()
					fs.Hook = failRun(n, always, errno, any)
					twice(fs)
					fs.SetHook(nil)
					ops := fs.Ops()
					p := promised(ops)
					if err := p.check(fs.Files()); err != nil {
						t.Fatalf("fault at call %d, then a clean restart: %v", n, err)
					}
					// And crashes, some for each fault: the product of both is large.
					k, err := crashesAround(fs, n)
					tried += k
					if err != nil {
						t.Fatalf("fault at call %d: %v", n, err)
					}
				}
				t.Logf("%d faults, %d crash images", calls, tried)
			})
		}
	}
}

// failRun fails calls n to n+times-1.
func failRun(n, times int, err error, match func(journaltest.Op) bool) func(journaltest.Op) *journaltest.Fault {
	seen := 0
	return func(op journaltest.Op) *journaltest.Fault {
		if !match(op) {
			return nil
		}
		seen++
		if seen > n && seen <= n+times {
			return &journaltest.Fault{Err: err, Short: len(op.Data) / 2}
		}
		return nil
	}
}

func errnoName(e syscall.Errno) string {
	return map[syscall.Errno]string{
		syscall.ENOSPC: "ENOSPC", syscall.EIO: "EIO", syscall.EROFS: "EROFS", syscall.EACCES: "EACCES",
	}[e]
}

// crashesAround crashes at each of the operations behind the first failed one.
func crashesAround(fs *journaltest.FS, seed int) (int, error) {
	ops := fs.Ops()
	first := len(ops)
	for i, op := range ops {
		if op.Kind != journaltest.Note && op.Err != nil {
			first = i
			break
		}
	}
	tried := 0
	for n := first; n <= min(first+10, len(ops)); n++ {
		if n > 0 && n < len(ops) && !changes(ops[n-1]) {
			continue
		}
		for name, image := range map[string]journaltest.Image{
			"flushed": journaltest.FlushedOnly(), "everything": journaltest.Everything(),
			"random": journaltest.Random(512, uint64(seed*1000+n)),
		} {
			tried++
			if err := promised(ops[:n]).check(fs.Crash(n, image)); err != nil {
				return tried, fmt.Errorf("crash after operation %d of %d, image %s: %w\n%s", n, len(ops), name, err, journaltest.Format(ops[max(0, first-6):n]))
			}
		}
	}
	return tried, nil
}
