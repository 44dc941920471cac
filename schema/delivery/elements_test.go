package delivery_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// closedWith is a closed conversation with a list in the middle of it.
func closedWith(name, list string) string {
	return `{"event_type":"session.close","event_id":"e1","` + name + `":` + list +
		`,"session":{"external_id":"s1","closed_at":"2024-01-01 00:00:00"},"user":{"country_code":"+57","cellphone":"3161234567"}}`
}

func listOf(n int, element string) string {
	return "[" + strings.Repeat(element+",", n-1) + element + "]"
}

func objectOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

// TestMaxElements: of an event with too many values the lists are left out of what is normalised, with a
// warning; the event is taken, with all else and with its raw body.
func TestMaxElements(t *testing.T) {
	const most = 200
	for _, tt := range []struct{ name, list string }{
		{"messages", listOf(most, "{}")},
		{"messages", listOf(10*most, `{"type":"text","text":{"message":"x"}}`)},
		{"unknown", "[" + listOf(most, "0") + "," + listOf(most, "0") + "," + listOf(most, "0") + "]"},
		{"user_session_keys", listOf(most, `{"key":"a","value":"b"}`)},
		{"user_session_keys", objectOf(2 * most)},
		{"unknown", strings.Repeat("[", 90) + listOf(most, "1") + strings.Repeat("]", 90)},
	} {
		body := closedWith(tt.name, tt.list)
		d := delivery.Parser{MaxElements: most}.Parse([]byte(body), delivery.Origin{Source: "s"})
		if d.Rejection != nil {
			t.Fatalf("%s: got %+v, want an event", tt.name, d.Rejection)
		}
		data := d.Events[0].Data.(*schema.ConversationClosed)
		if data.SessionID != "s1" || data.EventID != "e1" || data.Phone != "+573161234567" || data.ClosedAt == nil {
			t.Errorf("%s: got %+v, want what stands before and behind the list", tt.name, data)
		}
		if data.Messages != nil || data.SessionKeys != nil {
			t.Errorf("%s: got %d messages and %d keys, want none", tt.name, len(data.Messages), len(data.SessionKeys))
		}
		if string(data.Raw) != body {
			t.Errorf("%s: raw is not the body", tt.name)
		}
		warning := func(w string) bool { return strings.Contains(w, "the body has more than 200 values: ") }
		if tt.name != "unknown" {
			warning = func(w string) bool { return strings.HasPrefix(w, tt.name+": the body has more than 200 values: ") }
		}
		if !slices.ContainsFunc(data.Warnings, warning) {
			t.Errorf("%s: got warnings %q", tt.name, data.Warnings)
		}
		without := delivery.Parser{}.Parse([]byte(body), delivery.Origin{Source: "s"})
		if got, want := d.Events[0].ID, without.Events[0].ID; got != want {
			t.Errorf("%s: id %s, without the bound %s", tt.name, got, want)
		}
	}
}

// TestMaxElementsIsNotReached: a body at the bound is read as without one.
func TestMaxElementsIsNotReached(t *testing.T) {
	body := []byte(closedWith("messages", listOf(100, "{}"))) // with 10 other values, of which most stand behind it
	at := delivery.Parser{MaxElements: 110}.Parse(body, delivery.Origin{}).Events[0].Data.(*schema.ConversationClosed)
	beyond := delivery.Parser{MaxElements: 109}.Parse(body, delivery.Origin{}).Events[0].Data.(*schema.ConversationClosed)
	if len(at.Messages) != 100 || len(beyond.Messages) != 0 {
		t.Errorf("got %d messages at the bound and %d beyond it, want 100 and 0", len(at.Messages), len(beyond.Messages))
	}
	if beyond.Cellphone == "" || beyond.SessionID == "" || len(at.Warnings) != len(beyond.Warnings)-1 {
		t.Errorf("beyond the bound: got %+v, want all but the messages", beyond)
	}
}

// TestMaxElementsOfRoot: an object that has too many members itself is still the event that its first
// members tell.
func TestMaxElementsOfRoot(t *testing.T) {
	body := `{"session_id":"s1","read_at":"2024-01-01 00:00:00","cellphone":"3161234567","country_code":"57",` + objectOf(1000)[1:]
	d := delivery.Parser{MaxElements: 100}.Parse([]byte(body), delivery.Origin{})
	if d.Rejection != nil || d.Events[0].Kind != schema.KindMessageRead || len(d.Events[0].Data.Base().Warnings) == 0 {
		t.Errorf("got %+v, want a read event with a warning", d)
	}
}

// TestMaxElementsInArray: the bound is for each event of an array, and the array itself is bounded by
// MaxEvents, whatever is in its events.
func TestMaxElementsInArray(t *testing.T) {
	event := closedWith("messages", listOf(50, "{}"))
	d := delivery.Parser{MaxElements: 100}.Parse([]byte(listOf(900, event)), delivery.Origin{})
	if d.Rejection != nil || len(d.Events) != 900 {
		t.Fatalf("got %d events, %+v; want 900", len(d.Events), d.Rejection)
	}
	for i, e := range d.Events {
		if got := len(e.Data.(*schema.ConversationClosed).Messages); got != 50 {
			t.Fatalf("event %d: got %d messages, want 50", i, got)
		}
	}
	for _, element := range []string{"{}", event} {
		d = delivery.Parser{MaxElements: 100}.Parse([]byte(listOf(delivery.MaxEvents+1, element)), delivery.Origin{})
		if d.Rejection == nil || d.Rejection.Reason != schema.ReasonTooMany {
			t.Errorf("%d events: got %+v, want %s", delivery.MaxEvents+1, d.Rejection, schema.ReasonTooMany)
		}
	}
	d = delivery.Parser{MaxElements: 100}.Parse([]byte(`[{},`+listOf(5000, "0")[1:]), delivery.Origin{})
	if d.Rejection == nil || d.Rejection.Reason != schema.ReasonNotObject || !strings.Contains(d.Rejection.Violations[0].Problem, "element 1") {
		t.Errorf("got %+v, want element 1 refused", d.Rejection)
	}
}

// TestMaxElementsBoundsMemory: ten megabytes of nothing cost no more than a few.
func TestMaxElementsBoundsMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector counts other allocations")
	}
	const size, most = 10 << 20, 64 << 20
	for _, body := range []string{
		closedWith("messages", listOf(size/3, "{}")),
		closedWith("user_session_keys", listOf(size/3, "{}")),
		`{"event_type":"x","affected_conversation_ids":` + listOf(size/2, "0") + "}",
		listOf(size/2, "0"),
		"[" + listOf(size/3, "{}")[1:],
		"[" + closedWith("messages", listOf(size/2, "0")) + "]",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		d := delivery.Parser{MaxElements: 100_000}.Parse([]byte(body), delivery.Origin{})
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc - uint64(len(body)); got > most {
			t.Errorf("%.40s…: allocated %d MB, want %d at most", body, got>>20, most>>20)
		} else {
			t.Logf("%.40s…: %d MB in %s", body, got>>20, took)
		}
		runtime.KeepAlive(d)
	}
}

// FuzzMaxElements: a bound changes nothing but what is normalised.
func FuzzMaxElements(f *testing.F) {
	addPayloads(f, func(b []byte) { f.Add(b, 5) })
	f.Add([]byte(closedWith("messages", listOf(20, `{"a":[1,{"b":2}]}`))), 10)
	f.Add([]byte(`[{"a":[1,2,3]},{"b":{"c":{"d":[]}}}]`), 3)
	f.Fuzz(func(t *testing.T, body []byte, most int) {
		if most < 1 {
			t.Skip()
		}
		want := delivery.Parser{}.Parse(body, delivery.Origin{Received: received})
		got := delivery.Parser{MaxElements: most}.Parse(body, delivery.Origin{Received: received})
		if got.Rejection != nil && want.Rejection == nil && got.Rejection.Reason != schema.ReasonMissing {
			t.Fatalf("got %+v, want what is taken without the bound", got.Rejection)
		}
		if want.Rejection != nil && want.Rejection.Reason != schema.ReasonMissing && got.Rejection == nil {
			t.Fatalf("got an event, want %+v", want.Rejection)
		}
		for i, e := range got.Events {
			checkEncoded(t, e)
			if i < len(want.Events) && string(e.Data.Base().Raw) != string(want.Events[i].Data.Base().Raw) {
				t.Errorf("raw: got %s, want %s", e.Data.Base().Raw, want.Events[i].Data.Base().Raw)
			}
		}
	})
}
