package erase_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/erase"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// aDataDir returns a data directory without journals, with two messages set aside and a copy of
// damaged bytes.
func aDataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store := setaside.Open(dir, value.MiB, nil, zap.NewNop(), nil)
	for _, id := range []string{"mine", "theirs"} {
		m := broker.Message{Subject: "treble.message.read", ID: id, Header: broker.HeaderOf(map[string][]string{"Nats-Msg-Id": {id}}), Data: []byte("of " + id)}
		if err := store.Put(t.Context(), m, setaside.Refused); err != nil {
			t.Fatal(err)
		}
	}
	damaged := filepath.Join(dir, datadir.Journal, datadir.Damaged)
	if err := os.MkdirAll(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "1.seg-0"), []byte("bytes of mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func kept(t *testing.T, dir string) (places []string) {
	t.Helper()
	err := erase.Each(t.Context(), dir, nil, func(m erase.Message) error {
		places = append(places, string(m.Place)+": "+string(m.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(places)
	return places
}

// TestShred: what matches is overwritten and gone, the rest stays as it is.
func TestShred(t *testing.T) {
	dir := aDataDir(t)
	if got, want := kept(t, dir), []string{"damaged: bytes of mine", "set_aside: of mine", "set_aside: of theirs"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	// A second name of the file shows what became of its bytes.
	files, err := filepath.Glob(filepath.Join(dir, datadir.SetAside, "*-mine.msg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Link(files[0], other); err != nil {
		t.Fatal(err)
	}
	setAside, damaged, err := erase.Shred(t.Context(), dir, nil, func(m erase.Message) bool { return strings.Contains(string(m.Data), "mine") })
	if err != nil || setAside != 1 || damaged != 1 {
		t.Errorf("Shred = %d, %d, %v; want one of each", setAside, damaged, err)
	}
	if got, want := kept(t, dir), []string{"set_aside: of theirs"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	left, err := os.ReadFile(other)
	if err != nil || len(left) == 0 || len(bytes.Trim(left, "\x00")) > 0 {
		t.Errorf("the bytes are still there: %q, %v", left, err)
	}
}

// TestEachStops: the error of who reads ends it.
func TestEachStops(t *testing.T) {
	enough, n := errors.New("enough"), 0
	err := erase.Each(t.Context(), aDataDir(t), nil, func(erase.Message) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("Each = %v after %d messages", err, n)
	}
}

// TestNoteRemovedBesideABridge: what a running bridge holds is left to it.
func TestNoteRemovedBesideABridge(t *testing.T) {
	dir := t.TempDir()
	lock, err := datadir.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Release() })
	var locked *datadir.LockedError
	if err := erase.NoteRemoved(dir, "TREBLE", map[string][]uint64{"TREBLE": {1}}); !errors.As(err, &locked) {
		t.Errorf("got %v, want a LockedError", err)
	}
}
