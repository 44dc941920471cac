package publisher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// marked is what the messages of a person hold in these tests.
const marked = "3001234567"

func ofThem(_ string, _ map[string][]string, data []byte) bool {
	return bytes.Contains(data, []byte(marked))
}

// ofPerson is a delivery of which every second event is the person's.
func ofPerson(ids ...string) schema.Delivery {
	var d schema.Delivery
	for i, id := range ids {
		raw := `{"id":"` + id + `"}`
		if i%2 == 0 {
			raw = `{"id":"` + id + `","n":` + marked + `}`
		}
		d.Events = append(d.Events, anEvent(id, raw))
	}
	return d
}

func acceptPerson(t *testing.T, p *Publisher, ids ...string) {
	t.Helper()
	if err := p.Accept(t.Context(), ofPerson(ids...)); err != nil {
		t.Fatal(err)
	}
}

// holding returns the files below dir that hold the text.
func holding(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func kept(t *testing.T, dir string) (ids []string) {
	t.Helper()
	err := EachKept(t.Context(), dir, func(k Kept) error {
		ids = append(ids, k.Header[schema.HeaderMsgID]...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestEraseWhileEventsComeIn: what is the person's is gone from data_dir, all others
// are in the stream, once and in order.
func TestEraseWhileEventsComeIn(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	p := open(t, o)
	accept(t, p, ordered(50)...)
	acceptPerson(t, p, "mine-1", "theirs-1", "mine-2")
	want := append(ordered(50), "mine-1", "theirs-1", "mine-2")
	stop := make(chan struct{})
	var during []string
	var coming sync.WaitGroup
	coming.Go(func() {
		for i := 0; ; i++ {
			id := fmt.Sprint("during-", i)
			if err := p.Accept(t.Context(), delivery(id)); err != nil {
				t.Errorf("Accept: %v", err)
			}
			during = append(during, id)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	got, err := p.Erase(t.Context(), ofThem, 10*time.Second)
	close(stop)
	coming.Wait()
	if err != nil || got.Journal != 2 || got.Pending != 0 {
		t.Errorf("Erase = %+v, %v; want 2 of the journal", got, err)
	}
	settle(t, p)
	wantIDs(t, n.ids(t, "TREBLE"), append(want, during...))
	if files := holding(t, o.DataDir, marked); len(files) > 0 {
		t.Errorf("it is still in %v", files)
	}
	ids := kept(t, o.DataDir)
	if slices.Contains(ids, "mine-1") || !slices.Contains(ids, "theirs-1") {
		t.Errorf("kept: %v", ids)
	}
}

// TestErasedIsNotPublishedAgain: a stream that is made again gets back what the
// journal retains, but for what was erased; so too by the next bridge.
func TestErasedIsNotPublishedAgain(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	p := open(t, o)
	acceptPerson(t, p, "mine-1", "theirs-1")
	accept(t, p, "theirs-2")
	settle(t, p)
	if got, err := p.Erase(t.Context(), ofThem, 0); err != nil || got.Journal != 1 {
		t.Fatalf("Erase = %+v, %v", got, err)
	}
	want := []string{"theirs-1", "theirs-2"}
	remake := func() {
		t.Helper()
		if err := n.js.DeleteStream(t.Context(), "TREBLE"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.js.CreateStream(t.Context(), eventStream(o.Config).StreamConfig); err != nil {
			t.Fatal(err)
		}
	}
	remake()
	eventually(t, "healed", func() bool { return slices.Equal(n.ids(t, "TREBLE"), want) })
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	remake()
	o.Metrics = nil
	p = open(t, o)
	eventually(t, "healed by the next one", func() bool { return slices.Equal(n.ids(t, "TREBLE"), want) })
	settle(t, p)
	wantIDs(t, n.ids(t, "TREBLE"), want)
}

// TestEraseLeavesWhatIsPending: it was promised. Once it is published it can go.
func TestEraseLeavesWhatIsPending(t *testing.T) {
	h := newHost(t)
	o := withJournal(t, h.url)
	p := open(t, o)
	acceptPerson(t, p, "mine-1", "theirs-1")
	settle(t, p)
	h.stop()
	acceptPerson(t, p, "mine-2", "theirs-2")
	if err := p.Accept(t.Context(), rejected(marked)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the body waits", func() bool { return p.Waiting(ofThem) == 1 })
	got, err := p.Erase(t.Context(), ofThem, 50*time.Millisecond)
	if err != nil || got.Journal != 1 || got.Pending != 1 || got.Waiting != 1 {
		t.Errorf("without NATS: Erase = %+v, %v; want one erased, one pending, one waiting", got, err)
	}
	h.start()
	got, err = p.Erase(t.Context(), ofThem, 20*time.Second)
	if err != nil || got.Journal != 1 || got.Pending != 0 || got.Waiting != 0 {
		t.Errorf("with NATS: Erase = %+v, %v", got, err)
	}
	wantIDs(t, h.ids(t, "TREBLE"), []string{"mine-1", "theirs-1", "mine-2", "theirs-2"})
	if files := holding(t, o.DataDir, marked); len(files) > 0 {
		t.Errorf("it is still in %v", files)
	}
}

// TestEraseAfterAnError: a step fails in the middle; what was erased stays so, and
// to call again does the rest.
func TestEraseAfterAnError(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	p := open(t, o)
	acceptPerson(t, p, "mine-1", "theirs-1")
	settle(t, p)
	if err := p.setAside.Put(t.Context(), broker.Message{Subject: "s", ID: "x", Data: []byte(marked)}, setaside.TooLarge); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(o.DataDir, "journal", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments: %v, %v", segments, err)
	}
	block := filepath.Join(segments[0]+".erase", "in-the-way")
	if err := os.MkdirAll(block, 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := p.Erase(t.Context(), ofThem, 0)
	if err == nil || got.Journal != 0 || got.SetAside != 1 {
		t.Errorf("Erase = %+v, %v; want an error of the journal, and the set-aside erased all the same", got, err)
	}
	if err != nil && strings.Contains(err.Error(), marked) {
		t.Errorf("the error shows the person: %v", err)
	}
	accept(t, p, "after") // it takes events as before
	settle(t, p)
	if err := os.RemoveAll(filepath.Dir(block)); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Erase(t.Context(), ofThem, 0); err != nil || got.Journal != 1 {
		t.Errorf("again: Erase = %+v, %v", got, err)
	}
	if files := holding(t, o.DataDir, marked); len(files) > 0 {
		t.Errorf("it is still in %v", files)
	}
	if p.Status().Degraded {
		t.Errorf("the set-aside is not counted again: %+v", p.Status())
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	acceptPerson(t, p, "mine-9")
	if _, err := p.Erase(canceled, ofThem, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("of a command that went away: %v", err)
	}
	settle(t, p)
}

// TestEraseStopped: the same on the directory of a bridge that does not run.
func TestEraseStopped(t *testing.T) {
	h := newHost(t)
	o := withJournal(t, h.url)
	p := open(t, o)
	acceptPerson(t, p, "mine-1", "theirs-1")
	settle(t, p)
	if _, err := OpenStopped(o.DataDir); !errors.Is(err, ErrInUse) {
		t.Errorf("OpenStopped of a running one: %v", err)
	}
	h.stop()
	acceptPerson(t, p, "mine-2", "theirs-2")
	if err := p.Accept(t.Context(), rejected(marked)); err != nil { // goes to set-aside
		t.Fatal(err)
	}
	closing, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = p.Close(closing)
	if _, err := p.Erase(t.Context(), ofThem, time.Minute); err == nil {
		t.Error("Erase of a closed publisher: want an error")
	}
	for i, want := range []Erased{{Journal: 1, SetAside: 1, Pending: 1}, {Pending: 1}} {
		s, err := OpenStopped(o.DataDir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Erase(t.Context(), ofThem); err != nil || got != want {
			t.Errorf("%d: Erase = %+v, %v; want %+v", i, got, err, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	o.Metrics = nil
	p = open(t, o)
	settle(t, p)
	wantIDs(t, h.ids(t, "TREBLE"), []string{"mine-1", "theirs-1", "mine-2", "theirs-2"})
	if got, err := p.Erase(t.Context(), ofThem, 0); err != nil || got.Journal != 1 {
		t.Errorf("when it is published: Erase = %+v, %v", got, err)
	}
	if files := holding(t, o.DataDir, marked); len(files) > 0 {
		t.Errorf("it is still in %v", files)
	}
}

// A bridge without a journal, and a directory in which there never was one.
func TestEraseWithoutJournal(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	p := open(t, o)
	if err := p.setAside.Put(t.Context(), broker.Message{Subject: "s", ID: "x", Data: []byte(marked)}, setaside.TooLarge); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Erase(t.Context(), ofThem, time.Second); err != nil || got != (Erased{SetAside: 1}) {
		t.Errorf("Erase = %+v, %v", got, err)
	}
	s, err := OpenStopped(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Erase(t.Context(), ofThem); err != nil || got != (Erased{}) {
		t.Errorf("of nothing: Erase = %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestEraseEntry: as many bytes, the others untouched, and what is erased is told
// from what is not.
func TestEraseEntry(t *testing.T) {
	long := strings.Repeat("x", 200)
	msgs := []broker.Message{
		{Subject: "s.1", ID: "1", Header: map[string][]string{schema.HeaderMsgID: {"1"}, "H": {marked, long}, jetstream.ExpectedStreamHeader: {"T"}}, Data: []byte(`{"a":1}`)},
		{Subject: "s.2", ID: "2", Header: map[string][]string{"H": {"v"}}, Data: []byte(`{"b":` + marked + `}`)},
	}
	b := encodeEntry(msgs)
	out, n := eraseEntry(b, func(m broker.Message) bool { return m.ID == "1" })
	if n != 1 || len(out) != len(b) || bytes.Contains(out, []byte(long)) {
		t.Fatalf("%d erased, %d bytes of %d", n, len(out), len(b))
	}
	got, err := decodeEntry(out)
	if err != nil || !got[0].Erased || got[1].Erased || string(got[1].Data) != string(msgs[1].Data) || got[0].ID != "1" ||
		got[0].Header[jetstream.ExpectedStreamHeader][0] != "T" || strings.Trim(got[0].Header["H"][0], "\x00") != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	all := func(broker.Message) bool { return true }
	if out, n = eraseEntry(out, all); n != 1 || bytes.Contains(out, []byte(marked)) {
		t.Errorf("the rest: %d erased", n)
	}
	if _, n = eraseEntry(out, all); n != 0 {
		t.Errorf("again: %d erased", n)
	}
	if out, n = eraseEntry([]byte("no entry"), all); n != 0 || string(out) != "no entry" {
		t.Errorf("of what is none: %q, %d", out, n)
	}
}
