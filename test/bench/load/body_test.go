package load_test

import (
	"os"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// TestBody: every body is as long as asked for, is an event that the bridge
// finds nothing wrong with, and is another event than all others.
func TestBody(t *testing.T) {
	event, err := os.ReadFile("../../testdata/payloads/message-read.json")
	if err != nil {
		t.Fatal(err)
	}
	parser := delivery.Parser{Location: time.UTC}
	ids := map[string]bool{}
	for _, size := range []int{0, 574, 2 << 20} {
		body, err := load.NewBody(event, size)
		if err != nil {
			t.Fatal(err)
		}
		if size > 0 && body.Len() != size {
			t.Errorf("got %d bytes, want %d", body.Len(), size)
		}
		for _, number := range []int64{0, 1, 999_999_999_999} {
			b := body.Event(number)
			if len(b) != body.Len() {
				t.Errorf("event %d: got %d bytes, want %d", number, len(b), body.Len())
			}
			if got, ok := load.Number(b); !ok || got != number {
				t.Errorf("event %d: got number %d, %v", number, got, ok)
			}
			d := parser.Parse(b, delivery.Origin{Source: "default", Path: "/webhook", Received: time.Now()})
			if d.Rejection != nil || len(d.Events) != 1 {
				t.Fatalf("event %d: got rejection %v and %d events, want one event", number, d.Rejection, len(d.Events))
			}
			e := d.Events[0]
			if w := e.Data.Base().Warnings; e.Kind != schema.KindMessageRead || len(w) > 0 {
				t.Errorf("event %d: got %s with warnings %q, want a message.read without", number, e.Kind, w)
			}
			if ids[e.ID] {
				t.Errorf("event %d: has the id of another", number)
			}
			ids[e.ID] = true
		}
	}
}
