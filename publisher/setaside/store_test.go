package setaside

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/atrest/atresttest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

func aMessage(id string, size int) broker.Message {
	return broker.Message{
		Subject: "treble.message.read", ID: id,
		Header: broker.HeaderOf(map[string][]string{"Nats-Msg-Id": {id}, "Treble-Kind": {"message.read"}, "Multi": {"a", "b: c"}}),
		Data:   []byte(strings.Repeat("x\r\n\r\n", size/5+1)[:size]),
	}
}

func newStore(t *testing.T, limit value.Size) *Store {
	t.Helper()
	return Open(t.TempDir(), limit, nil, zap.NewNop(), nil)
}

func TestStoreFileRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 1000} {
		want := Entry{Message: aMessage("id-1", size), Reason: TooLarge, Time: time.Unix(1, 2).UTC()}
		got, err := Decode(encode(want), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// Every truncation and every changed byte of the data is noticed.
func TestStoreFileDamage(t *testing.T) {
	whole := encode(Entry{Message: aMessage("id-1", 40), Reason: TooLarge, Time: time.Unix(1, 2)})
	for n := range whole {
		if _, err := Decode(whole[:n], nil); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, len(whole))
		}
	}
	for i := len(whole) - 40; i < len(whole); i++ {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 1
		if _, err := Decode(damaged, nil); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(Entry{Message: aMessage("id-1", 40), Reason: TooLarge, Time: time.Unix(1, 2)}))
	f.Add([]byte("TREBLE-SET-ASIDE/1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b, nil)
		if err != nil {
			return
		}
		again, err := Decode(encode(e), nil)
		if err != nil || !reflect.DeepEqual(again.Message, e.Message) {
			t.Errorf("read %+v, written and read again %+v, %v", e, again, err)
		}
	})
}

func TestStoreIsBounded(t *testing.T) {
	s := newStore(t, 64*value.KiB)
	for _, reason := range []string{Quarantine, Overflow, TooLarge, WithTooLarge} {
		if err := s.Put(t.Context(), aMessage("q", 40_000), reason); !errors.Is(err, ErrFull) {
			t.Errorf("%s over half of the bound: %v, want %v", reason, err, ErrFull)
		}
	}
	if err := s.Put(t.Context(), aMessage("e", 40_000), Refused); err != nil {
		t.Errorf("accepted event below the bound: %v", err)
	}
	if err := s.Put(t.Context(), aMessage("f", 40_000), Uncaptured); !errors.Is(err, ErrFull) {
		t.Errorf("accepted event over the bound: %v, want %v", err, ErrFull)
	}
	if got, _ := s.Reason(); !strings.Contains(got, "5 messages could not") {
		t.Errorf("reason = %q, want the lost ones", got)
	}
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"))
	if len(files) != 1 {
		t.Errorf("files %v, want one and no temporary ones", files)
	}
	// An operator makes room.
	os.Remove(files[0])
	s.Recount()
	if err := s.Put(t.Context(), aMessage("f", 40_000), Uncaptured); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

// A disk that hangs holds a Put only until its deadline, and others do not pile up.
func TestStoreHonoursTheDeadline(t *testing.T) {
	s := newStore(t, value.MiB)
	if err := syscall.Mkfifo(s.dir, 0o600); err != nil {
		t.Fatal(err)
	}
	// What takes its place is no directory, so that writes fail; those that hang are played.
	for range maxWriters {
		s.writers <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, aMessage("a", 10), Refused); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put behind writes that hang = %v", err)
	}
	<-s.writers
	if err := s.Put(t.Context(), aMessage("a", 10), Refused); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put = %v, want what the disk says", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing != 0 || s.used != 0 {
		t.Errorf("%d bytes are reserved, %d used; want none", s.writing, s.used)
	}
}

func TestStoreCountsWhatIsThere(t *testing.T) {
	s := newStore(t, value.MiB)
	for _, id := range []string{"a", "b", "a"} {
		if err := s.Put(t.Context(), aMessage(id, 10), TooLarge); err != nil {
			t.Fatal(err)
		}
	}
	again := Open(filepath.Dir(s.dir), s.limit, nil, s.log, nil)
	if again.files.Load() != 3 || again.used != s.used {
		t.Errorf("opened again: %d files, %d bytes; want 3, %d", again.files.Load(), again.used, s.used)
	}
}

// TestStoreSealed: with keys, nothing of a message is readable in its file, and without them
// the file says what is missing.
func TestStoreSealed(t *testing.T) {
	keys := atresttest.Load(t, atresttest.NewFile(t))
	dataDir := t.TempDir()
	s := Open(dataDir, Limit, keys, zap.NewNop(), nil)
	want := aMessage("id-1", 100)
	if err := s.Put(t.Context(), want, TooLarge); err != nil {
		t.Fatal(err)
	}
	names, err := OpenDir(dataDir, keys).Files()
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	b, err := os.ReadFile(filepath.Join(s.dir, names[0]))
	if err != nil || strings.Contains(string(b), "treble.message.read") || strings.Contains(string(b), "xx") {
		t.Errorf("the file is readable: %q, %v", b, err)
	}
	if got, err := OpenDir(dataDir, keys).Read(names[0]); err != nil || got.Damaged != nil || !reflect.DeepEqual(got.message, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	var missing *atrest.MissingKeyError
	if got, err := OpenDir(dataDir, nil).Read(names[0]); err != nil || !errors.As(got.Damaged, &missing) {
		t.Errorf("without keys: %+v, %v", got, err)
	}
}
