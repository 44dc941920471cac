package events

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// sessionEvent is an event of one session, some seconds behind its beginning; at -1 it
// has no time of its own.
func sessionEvent(t *testing.T, seq uint64, id string, at float64, data schema.Payload, kind schema.Kind) client.Message {
	t.Helper()
	began := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	received := began.Add(time.Hour + time.Duration(seq)*time.Second)
	happened := began.Add(time.Duration(at * float64(time.Second)))
	if at < 0 {
		happened = received
	}
	data.Base().SessionID, data.Base().Raw = "session-1", json.RawMessage(`{}`)
	m := stored(t, schema.Event{ID: id, Kind: kind, Time: happened, ReceivedTime: received, Data: data})
	m.Sequence, m.Stored = seq, received
	return m
}

func TestTimeline(t *testing.T) {
	sent := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	delivered := func(seq uint64, at float64, text string) client.Message {
		return sessionEvent(t, seq, fmt.Sprint("d", seq), at, &schema.MessageDelivered{SentAt: &sent, SentText: text}, schema.KindMessageDelivered)
	}
	read := func(seq uint64, at float64, text string) client.Message {
		return sessionEvent(t, seq, fmt.Sprint("r", seq), at, &schema.MessageRead{SentAt: &sent, SentText: text}, schema.KindMessageRead)
	}
	answered := func(seq uint64, at float64, text string) client.Message {
		return sessionEvent(t, seq, fmt.Sprint("a", seq), at, &schema.MessageResponded{SentAt: &sent, SentText: text}, schema.KindMessageResponded)
	}
	closed := func(seq uint64, at float64) client.Message {
		return sessionEvent(t, seq, fmt.Sprint("c", seq), at, &schema.ConversationClosed{}, schema.KindConversationClosed)
	}
	condition := func(seq uint64, id string) client.Message {
		return sessionEvent(t, seq, id, -1, &schema.ConditionEvaluated{}, schema.KindConditionEvaluated)
	}
	for _, tt := range []struct {
		name    string
		stored  []client.Message
		want    string // sequence, gap in ms, marks
		missing string
	}{
		{"in-order", []client.Message{delivered(1, 1, "x"), read(2, 3.5, "x"), answered(3, 10, "x"), closed(4, 70)},
			"1+0 2+2500 3+6500 4+60000", ""},
		{"by-own-time", []client.Message{closed(1, 70), answered(2, 10, "x"), read(3, 3.5, "x"), delivered(4, 1, "x")},
			"4+0,late 3+2500,late 2+6500,late 1+60000", ""},
		{"same-time-as-stored", []client.Message{delivered(1, 1, "x"), read(2, 1, "x"), closed(3, 1)}, "1+0 2+0 3+0", ""},
		{"read-before-delivered", []client.Message{read(1, 1, "x"), delivered(2, 2, "x"), closed(3, 3)}, "1+0,before-delivered 2+1000 3+1000", ""},
		{"answered-before-both", []client.Message{answered(1, 1, "x"), read(2, 2, "x"), delivered(3, 3, "x")},
			"1+0,before-delivered,before-read 2+1000,before-delivered 3+1000", "conversation.closed"},
		{"two-messages", []client.Message{delivered(1, 1, "x"), read(2, 2, "x"), delivered(3, 3, "y"), read(4, 4, "y"), closed(5, 5)},
			"1+0 2+1000 3+1000 4+1000 5+1000", ""},
		{"one-not-delivered", []client.Message{delivered(1, 1, "x"), read(2, 2, "y")}, "1+0 2+1000,not-delivered", "conversation.closed"},
		{"none-delivered", []client.Message{read(1, 1, "x"), answered(2, 2, "x")}, "1+0 2+1000", "message.delivered conversation.closed"},
		{"after-closed", []client.Message{closed(1, 1), delivered(2, 2, "x")}, "1+0 2+1000,after-closed", ""},
		{"status-after-closed", []client.Message{closed(1, 1),
			sessionEvent(t, 2, "h", 2, &schema.HSMStatusChanged{}, schema.KindHSMStatusChanged)}, "1+0 2+1000", ""},
		{"no-time", []client.Message{condition(1, "o"), closed(2, 1)}, "2+0 1+3600000,no-time", ""},
		{"repeated", []client.Message{condition(1, "o"), condition(2, "o"), closed(3, 1)}, "3+0 1+3600000,no-time,repeated 2+1000,no-time,repeated", ""},
		{"no-event", []client.Message{{Sequence: 1, Data: []byte("?")}, closed(2, 1)}, "2+0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := newTimeline(tt.stored)
			var got, absent []string
			for _, m := range line {
				text := fmt.Sprintf("%d+%d", m.Sequence, m.gap.Milliseconds())
				for _, mark := range m.marks {
					text += "," + string(mark)
				}
				got = append(got, text)
			}
			for _, k := range missing(line) {
				absent = append(absent, string(k))
			}
			if strings.Join(got, " ") != tt.want || strings.Join(absent, " ") != tt.missing {
				t.Errorf("got %q and %q missing, want %q and %q", got, absent, tt.want, tt.missing)
			}
		})
	}
}

// TestTimelineForPeople wants the heading, the gaps and what is missing, and no
// number.
func TestTimelineForPeople(t *testing.T) {
	sent := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	common := schema.Common{Phone: "+573001234567"}
	line := newTimeline([]client.Message{
		sessionEvent(t, 1, "r", 0, &schema.MessageRead{Common: common, SentAt: &sent, SentText: "Hello"}, schema.KindMessageRead),
		sessionEvent(t, 2, "d", 90.5, &schema.MessageDelivered{Common: common, SentAt: &sent, SentText: "Hello"}, schema.KindMessageDelivered),
	})
	got := string(eventFormat{}.timeline(line, true))
	for _, want := range []string{"session session-1: 2 events in 1m30s, ", "“Hello”  [before-delivered]\n", "\n  +1m30s  ", "not stored, as far as there are events: conversation.closed\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "3001234567") {
		t.Errorf("the number is in\n%s", got)
	}
	of := line[0].event
	of.Subject = "573001234567"
	data, err := of.Encode()
	if err != nil {
		t.Fatal(err)
	}
	phoned := newTimeline([]client.Message{{Sequence: 1, Subject: "treble.message.read", Data: data}})
	if got := string(eventFormat{}.timeline(phoned, false)); !regexp.MustCompile(`session #[g-v]{6}\*{10}67: 1 event`).MatchString(got) || strings.Contains(got, "573001") {
		t.Errorf("a session that is a number: %s", got)
	}
	if part := string(eventFormat{}.timeline(line, false)); strings.Contains(part, "not stored") {
		t.Errorf("of a part nobody knows what is missing:\n%s", part)
	}
}
