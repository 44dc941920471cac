package outbox

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/atrest/atresttest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// onDisk reports whether a text is in a file below dir.
func onDisk(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestSealed: with keys, nothing of a message is on the disk; what is pending when they are
// taken into use, or rotated, is published in its order.
func TestSealed(t *testing.T) {
	b := newBench(t)
	path := atresttest.NewFile(t)
	b.client.SetUp(false)
	b.accept("plain")
	b.restart(func(o *Options) { o.Keys = atresttest.Load(t, path) })
	b.client.SetUp(false)
	b.accept("secret1", "secret2")
	if err := atrest.Rotate(path); err != nil {
		t.Fatal(err)
	}
	b.restart(func(o *Options) { o.Keys = atresttest.Load(t, path) })
	b.client.SetUp(false)
	b.accept("secret3")
	if !onDisk(t, b.dir, "plain") {
		t.Error("what was accepted before is gone")
	}
	if onDisk(t, b.dir, "secret") {
		t.Error("what was accepted with keys can be read on the disk")
	}
	b.client.SetUp(true)
	b.pass(time.Minute)
	b.settle()
	b.want("plain", "secret1", "secret2", "secret3")

	s, err := ledger.Inspect(t.Context(), b.o.Dir, b.o.Keys)
	if err != nil || !s.Sound() || s.Accepted != 4 {
		t.Errorf("with the keys: %+v, %v", s, err)
	}
	var ids []string
	collect := func(k ledger.JournaledMessage) error { ids = append(ids, k.ID); return nil }
	if err := ledger.Each(t.Context(), b.o.Dir, b.o.Keys, collect); err != nil || len(ids) != 4 {
		t.Errorf("with the keys: %q, %v", ids, err)
	}
}

// TestSealedWithoutKey: a journal whose entries cannot be opened is neither taken into use nor searched as
// if it were empty.
func TestSealedWithoutKey(t *testing.T) {
	b := newBench(t)
	b.restart(func(o *Options) { o.Keys = atresttest.Load(t, atresttest.NewFile(t)) })
	b.accept("secret")
	if err := b.b.Close(); err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string]*atrest.Keys{"none": nil, "others": atresttest.Load(t, atresttest.NewFile(t))} {
		var missing *atrest.MissingKeyError
		o := b.o
		o.Keys = keys
		if _, err := Open(o); !errors.As(err, &missing) {
			t.Errorf("%s: opened: %v", name, err)
		}
		if err := ledger.Each(t.Context(), b.o.Dir, keys, func(ledger.JournaledMessage) error { return nil }); !errors.As(err, &missing) {
			t.Errorf("%s: searched: %v", name, err)
		}
		if s, err := ledger.Inspect(t.Context(), b.o.Dir, keys); err != nil || s.Sound() || s.Accepted != 1 || s.Pending != 1 {
			t.Errorf("%s: inspected: %+v, %v, want 1 accepted, pending and a problem", name, s, err)
		}
	}
	b.open()
	b.settle()
	b.want("secret")
}
