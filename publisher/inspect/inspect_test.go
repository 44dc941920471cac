package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/inspect"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// ran returns the data directory of a bridge that accepted events, published them if NATS answers
// at the URL, and ended.
func ran(t *testing.T, url string, ids ...string) string {
	t.Helper()
	o := publisher.Options{
		Config: publisher.DefaultConfig(), NATS: publisher.DefaultNATSConfig(), Journal: publisher.DefaultJournalConfig(),
		DataDir: t.TempDir(), MaxBody: value.MiB,
	}
	o.NATS.URL = url
	p, err := publisher.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := p.Accept(t.Context(), delivery.Delivery{Events: natstest.Events(id)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return o.DataDir
}

// TestEveryFlip: whatever byte is damaged, it is noticed, and no event is said to be fine that is
// not.
func TestEveryFlip(t *testing.T) {
	dir := ran(t, natstest.Start(t).URL, natstest.Numbered("e", 6)...)
	files, err := filepath.Glob(filepath.Join(dir, datadir.Journal, "*.seg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole)-36; i += 7 { // the last 36 bytes are the seal
		broken := bytes.Clone(whole)
		broken[i] ^= 0x10
		if err := os.WriteFile(files[0], broken, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := inspect.Journals(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Sound() || len(s.Report.Damage) != 1 {
			t.Fatalf("byte %d: %+v", i, s)
		}
		if s.Accepted != 6 || s.Accepted != s.Stored+s.Damaged+s.Pending+s.Unaccounted {
			t.Fatalf("byte %d: account %+v", i, s.Account)
		}
	}
}

func TestWithoutJournal(t *testing.T) {
	dir := t.TempDir()
	if _, err := inspect.Journals(t.Context(), dir, nil); !errors.Is(err, inspect.ErrNoJournal) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want ErrNoJournal and the directory", err)
	}
}

// TestEachPending: what NATS does not have is read in its order, and not beside a bridge.
func TestEachPending(t *testing.T) {
	n := natstest.Start(t)
	n.Kill()
	ids := natstest.Numbered("e", 3)
	dir := ran(t, n.URL, ids...)
	read := func() (got []string, err error) {
		s, err := inspect.EachPending(t.Context(), dir, nil, func(m setaside.Message) error {
			got = append(got, m.ID)
			return m.Damaged
		})
		if err == nil && (s.Pending != int64(len(ids)) || s.Running) {
			t.Errorf("the journal says %+v", s.Account)
		}
		return got, err
	}
	if got, err := read(); err != nil || !slices.Equal(got, ids) {
		t.Errorf("pending: %v, %v; want %v", got, err, ids)
	}
	lock, err := datadir.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Release() })
	var locked *datadir.LockedError
	if got, err := read(); !errors.As(err, &locked) || len(got) > 0 {
		t.Errorf("beside a bridge: %v, %v", got, err)
	}
}
