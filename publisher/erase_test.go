package publisher

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// marked is what the messages of a person hold in these tests.
const marked = "3001234567"

func ofThem(_ string, _ map[string][]string, data []byte) bool {
	return bytes.Contains(data, []byte(marked))
}

// A bridge without a journal, and a directory in which there never was one.
func TestEraseWithoutJournal(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	p := open(t, o)
	if err := p.setAside.put(message{subject: "s", id: "x", data: []byte(marked)}, reasonTooLarge); err != nil {
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
	msgs := []message{
		{subject: "s.1", id: "1", header: map[string][]string{schema.HeaderMsgID: {"1"}, "H": {marked, long}, jetstream.ExpectedStreamHeader: {"T"}}, data: []byte(`{"a":1}`)},
		{subject: "s.2", id: "2", header: map[string][]string{"H": {"v"}}, data: []byte(`{"b":` + marked + `}`)},
	}
	b := encodeEntry(msgs)
	out, n := eraseEntry(b, func(m message) bool { return m.id == "1" })
	if n != 1 || len(out) != len(b) || bytes.Contains(out, []byte(long)) {
		t.Fatalf("%d erased, %d bytes of %d", n, len(out), len(b))
	}
	got, err := decodeEntry(out)
	if err != nil || !got[0].erased || got[1].erased || string(got[1].data) != string(msgs[1].data) || got[0].id != "1" ||
		got[0].header[jetstream.ExpectedStreamHeader][0] != "T" || strings.Trim(got[0].header["H"][0], "\x00") != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	all := func(message) bool { return true }
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
