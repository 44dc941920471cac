package publisher

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
)

func aMessage(id string, size int) message {
	return message{
		subject: "treble.message.read", id: id,
		header: map[string][]string{"Nats-Msg-Id": {id}, "Treble-Kind": {"message.read"}, "Multi": {"a", "b: c"}},
		data:   []byte(strings.Repeat("x\r\n\r\n", size/5+1)[:size]),
	}
}

func newSetAside(t *testing.T, limit value.Size) *setAside {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	return openSetAside(filepath.Join(t.TempDir(), "set-aside"), limit, zap.NewNop(), m)
}

func TestSetAsideFileRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 1000} {
		want := setAsideEntry{message: aMessage("id-1", size), Reason: reasonTooLarge, Time: time.Unix(1, 2).UTC()}
		got, err := decodeSetAside(encodeSetAside(want))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// Every truncation and every changed byte of the data is noticed.
func TestSetAsideFileDamage(t *testing.T) {
	whole := encodeSetAside(setAsideEntry{message: aMessage("id-1", 40), Reason: reasonTooLarge, Time: time.Unix(1, 2)})
	for n := range whole {
		if _, err := decodeSetAside(whole[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, len(whole))
		}
	}
	for i := len(whole) - 40; i < len(whole); i++ {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 1
		if _, err := decodeSetAside(damaged); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
	}
}

func FuzzDecodeSetAside(f *testing.F) {
	f.Add(encodeSetAside(setAsideEntry{message: aMessage("id-1", 40), Reason: reasonTooLarge, Time: time.Unix(1, 2)}))
	f.Add([]byte("TREBLE-SET-ASIDE/1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeSetAside(b)
		if err != nil {
			return
		}
		again, err := decodeSetAside(encodeSetAside(e))
		if err != nil || !reflect.DeepEqual(again.message, e.message) {
			t.Errorf("read %+v, written and read again %+v, %v", e, again, err)
		}
	})
}

func TestSetAsideIsBounded(t *testing.T) {
	s := newSetAside(t, 64*value.KiB)
	if err := s.put(aMessage("q", 40_000), reasonQuarantine); !errors.Is(err, errSetAsideFull) {
		t.Errorf("refused body over half of the bound: %v, want %v", err, errSetAsideFull)
	}
	if err := s.put(aMessage("e", 40_000), reasonTooLarge); err != nil {
		t.Errorf("event below the bound: %v", err)
	}
	if err := s.put(aMessage("f", 40_000), reasonTooLarge); !errors.Is(err, errSetAsideFull) {
		t.Errorf("event over the bound: %v, want %v", err, errSetAsideFull)
	}
	if got := s.reason(); !strings.Contains(got, "2 messages could not") {
		t.Errorf("reason = %q, want the lost ones", got)
	}
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"))
	if len(files) != 1 {
		t.Errorf("files %v, want one and no temporary ones", files)
	}
	// An operator makes room.
	os.Remove(files[0])
	s.recount()
	if err := s.put(aMessage("f", 40_000), reasonTooLarge); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

func TestSetAsideCountsWhatIsThere(t *testing.T) {
	s := newSetAside(t, value.MiB)
	for _, id := range []string{"a", "b", "a"} {
		if err := s.put(aMessage(id, 10), reasonTooLarge); err != nil {
			t.Fatal(err)
		}
	}
	again := openSetAside(s.dir, s.limit, s.log, s.metrics)
	if again.files.Load() != 3 || again.used != s.used {
		t.Errorf("opened again: %d files, %d bytes; want 3, %d", again.files.Load(), again.used, s.used)
	}
}
