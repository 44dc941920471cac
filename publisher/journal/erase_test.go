package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

const personal = "PERSONAL"

// eraser erases the entries that hold the word.
func eraser() journal.Eraser {
	return journal.Eraser{
		Chosen: func(_ journal.Seq, payload []byte) bool { return bytes.Contains(payload, []byte(personal)) },
		Erased: func(_ journal.Seq, payload []byte) []byte { return []byte(erasedForm(string(payload))) },
	}
}

func erasedForm(payload string) string {
	return strings.ReplaceAll(payload, personal, strings.Repeat("-", len(personal)))
}

func personalPayload(i int) string {
	p := fmt.Sprintf("entry-%d-", i)
	if i%3 == 0 {
		p += personal
	}
	return p + strings.Repeat("x", i*97%300)
}

type erased struct{}

// eraseScript appends, erases, and appends once more.
func eraseScript(fs *journaltest.FS) error {
	s := &script{fs: fs}
	j, err := journal.Open(dir, s.options(), s.own.replay)
	if err != nil {
		return err
	}
	defer j.Close()
	for i := range 14 {
		s.append(j, personalPayload(i))
	}
	if _, err := j.Erase(context.Background(), eraser()); err != nil {
		return err
	}
	fs.Note(erased{})
	for i := range 3 {
		s.append(j, fmt.Sprintf("after-%d", i))
	}
	return nil
}

// checkErased opens the files: every acknowledged entry is there, as it was or
// erased, and erased if Erase had returned.
func checkErased(files map[string][]byte, ops []journaltest.Op) error {
	complete := false
	for _, op := range ops {
		if _, ok := op.Note.(erased); ok {
			complete = true
		}
	}
	fs := journaltest.From(files)
	var o owner
	opt := journal.Options{FS: fs, SegmentBytes: 400, Checkpoint: func() []byte { return number(o.done) }}
	j, err := journal.Open(dir, opt.WithDelays(time.Hour, time.Nanosecond), o.replay)
	if err != nil {
		return err
	}
	defer j.Close()
	if d := j.Damage(); len(d) > 0 {
		return fmt.Errorf("damage reported: %+v", d)
	}
	for payload, seq := range promised(ops).acked {
		switch got := o.entries[seq]; {
		case got == erasedForm(payload):
		case got == payload && !complete:
		default:
			return fmt.Errorf("entry %d is %.30q, want %.30q or its erased form", seq, got, payload)
		}
	}
	for name, b := range fs.Files() {
		if strings.HasSuffix(name, ".erase") {
			return fmt.Errorf("%s is still there", name)
		}
		if complete && bytes.Contains(b, []byte(personal)) {
			return fmt.Errorf("%s holds what was erased", name)
		}
	}
	// A second call completes the first.
	if _, err := j.Erase(context.Background(), eraser()); err != nil {
		return err
	}
	for name, b := range fs.Files() {
		if bytes.Contains(b, []byte(personal)) {
			return fmt.Errorf("%s holds what was erased by the second call", name)
		}
	}
	return nil
}

func eraseCrashes(fs *journaltest.FS) (tried int, err error) {
	ops := fs.Ops()
	for n := 0; n <= len(ops); n++ {
		if n > 0 && n < len(ops) && !changes(ops[n-1]) {
			continue
		}
		for name, image := range images(n) {
			tried++
			if err := checkErased(fs.Crash(n, image), ops[:n]); err != nil {
				return tried, fmt.Errorf("crash after operation %d of %d (%s %s), image %s: %w", n, len(ops), lastOp(ops, n).Kind, lastOp(ops, n).Name, name, err)
			}
		}
	}
	return tried, nil
}

func TestEraseEveryCrashPoint(t *testing.T) {
	fs := journaltest.New()
	if err := eraseScript(fs); err != nil {
		t.Fatal(err)
	}
	tried, err := eraseCrashes(fs)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d images of %d operations", tried, len(fs.Ops()))
}

// The test above is worth something only if it fails without the flushes.
func TestEraseCrashPointsNotice(t *testing.T) {
	for name, breaks := range map[string]func(*journaltest.FS){
		"file":      func(fs *journaltest.FS) { fs.IgnoreSync = true },
		"directory": func(fs *journaltest.FS) { fs.IgnoreSyncDir = true },
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			breaks(fs)
			if err := eraseScript(fs); err != nil {
				t.Fatal(err)
			}
			if _, err := eraseCrashes(fs); err == nil {
				t.Fatal("no crash point breaks the promise; the test cannot fail")
			} else {
				t.Log(err)
			}
		})
	}
}

func TestEraseFaultAtEveryCall(t *testing.T) {
	plain := journaltest.New()
	if err := eraseScript(plain); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() || raceEnabled {
		step = 3
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for n := 0; n < len(plain.Ops()); n += step {
			fs := journaltest.New()
			fs.Hook = failRun(n, 1, errno, func(journaltest.Op) bool { return true })
			_ = eraseScript(fs)
			fs.SetHook(nil)
			ops := fs.Ops()
			for name, files := range map[string]map[string][]byte{
				"running": fs.Files(), "flushed": fs.Crash(len(ops), journaltest.FlushedOnly()),
				"random": fs.Crash(len(ops), journaltest.Random(512, uint64(n))),
			} {
				if err := checkErased(files, ops); err != nil {
					t.Fatalf("%s at call %d, image %s: %v\n%s", errno, n, name, err, journaltest.Format(ops[max(0, n-5):min(len(ops), n+10)]))
				}
			}
		}
	}
}

// What is overwritten is the file that held it, not only its name.
func TestEraseOverwritesTheOldFile(t *testing.T) {
	fs := journaltest.New()
	if err := eraseScript(fs); err != nil {
		t.Fatal(err)
	}
	overwritten := 0
	for _, op := range fs.Ops() {
		if op.Kind == journaltest.Write && strings.HasSuffix(op.Name, ".seg") && len(op.Data) > 100 && len(bytes.Trim(op.Data, "\x00")) == 0 {
			overwritten++
		}
	}
	if overwritten == 0 {
		t.Error("no segment was overwritten")
	}
}

// Readers, appends and releases go on, and nobody sees damage.
func TestEraseMeanwhile(t *testing.T) {
	o := journal.Options{SegmentBytes: 20_000}
	j, err := journal.Open(t.TempDir(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	const entries = 3000
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			r := j.NewReader(1)
			defer r.Close()
			for want := journal.Seq(1); want <= entries; want++ {
				rec, err := r.Next(t.Context())
				if err != nil || rec.Seq != want {
					t.Errorf("got entry %d, %v, want %d", rec.Seq, err, want)
					return
				}
				if got := string(rec.Payload); got != personalPayload(int(want)) && got != erasedForm(personalPayload(int(want))) {
					t.Errorf("entry %d is %.40q", want, got)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := 1; i <= entries; i++ {
			if _, err := j.Append(t.Context(), []byte(personalPayload(i))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	erasures := 0
	for j.Stats().Last < entries {
		if _, err := j.Erase(t.Context(), eraser()); err != nil {
			t.Fatal(err)
		}
		erasures++
	}
	wg.Wait()
	if d := j.Damage(); len(d) > 0 {
		t.Errorf("damage: %+v", d)
	}
	t.Logf("%d erasures", erasures)
}

func TestEraseRefuses(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), []byte(personal)); err != nil {
		t.Fatal(err)
	}
	e := eraser()
	e.Erased = func(journal.Seq, []byte) []byte { return nil }
	if _, err := j.Erase(t.Context(), e); err == nil || !strings.Contains(err.Error(), "erased form") {
		t.Errorf("another length: got %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Erase(t.Context(), eraser()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// A reader in the middle of a file that is replaced and overwritten goes on in
// the new one.
func TestEraseUnderAReader(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	large := strings.Repeat("x", 100_000) // several of them exceed what is read at once
	for i := range 20 {
		if _, err := j.Append(t.Context(), fmt.Appendf(nil, "%d %s %s", i, personal, large)); err != nil {
			t.Fatal(err)
		}
	}
	r := j.NewReader(1)
	defer r.Close()
	if _, err := r.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Erase(t.Context(), eraser()); err != nil || n.Entries != 20 {
		t.Fatalf("Erase: %+v, %v", n, err)
	}
	for i := 1; i < 20; i++ {
		rec, err := r.Next(t.Context())
		if err != nil || !bytes.HasPrefix(rec.Payload, fmt.Appendf(nil, "%d ", i)) || rec.Seq != journal.Seq(i+1) {
			t.Fatalf("after entry %d: got %d, %v", i, rec.Seq, err)
		}
	}
	if d := j.Damage(); len(d) > 0 {
		t.Errorf("damage: %+v", d)
	}
}
