package delivery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// The naive types are what a program would write that trusts its input: encoding/json
// reads them, and writes them again. It checks no form, keeps no raw value and makes no id.
type (
	naiveEvent struct {
		SessionID      string            `json:"session_id"`
		ConversationID int64             `json:"conversation_id"`
		CountryCode    string            `json:"country_code"`
		Cellphone      string            `json:"cellphone"`
		SentAt         string            `json:"sent_at"`
		SentText       string            `json:"sent_text"`
		ReadAt         string            `json:"read_at"`
		Question       *naiveQuestion    `json:"question,omitempty"`
		SessionKeys    []naiveSessionKey `json:"user_session_keys,omitempty"`

		EventType string         `json:"event_type,omitempty"`
		EventID   string         `json:"event_id,omitempty"`
		Timestamp string         `json:"timestamp,omitempty"`
		Session   *naiveSession  `json:"session,omitempty"`
		User      *naiveUser     `json:"user,omitempty"`
		Messages  []naiveMessage `json:"messages,omitempty"`
		HSM       *naiveHSM      `json:"hsm,omitempty"`
	}
	naiveQuestion struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	naiveSessionKey struct {
		Key   string  `json:"key"`
		Value *string `json:"value"`
	}
	naiveSession struct {
		ExternalID string `json:"external_id"`
		ClosedAt   string `json:"closed_at"`
	}
	naiveUser struct {
		CountryCode string `json:"country_code"`
		Cellphone   string `json:"cellphone"`
	}
	naiveMessage struct {
		Sender      string        `json:"sender"`
		Type        string        `json:"type"`
		Text        *naiveContent `json:"text,omitempty"`
		Image       *naiveContent `json:"image,omitempty"`
		Audio       *naiveContent `json:"audio,omitempty"`
		HSM         *naiveContent `json:"hsm,omitempty"`
		CreatedAt   string        `json:"created_at"`
		DeliveredAt *string       `json:"delivered_at"`
		ReadAt      *string       `json:"read_at"`
	}
	naiveContent struct {
		Message string `json:"message,omitempty"`
		Caption string `json:"caption,omitempty"`
		URL     string `json:"url,omitempty"`
	}
	naiveHSM struct {
		Name string `json:"name"`
	}
)

// benchBodies are a read event, and closed conversations of 40 kB and 2 MB.
func benchBodies(tb testing.TB) map[string][]byte {
	tb.Helper()
	read := read(tb, payloadDir+"/message-read.json")
	var compact bytes.Buffer
	if err := json.Compact(&compact, read); err != nil {
		tb.Fatal(err)
	}
	return map[string][]byte{
		"read": compact.Bytes(), "read-with-blanks": read,
		"close-40kB": closedConversation(40 << 10), "close-2MB": closedConversation(2 << 20),
	}
}

func closedConversation(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"event_type": "session.close", "event_id": "66e04bc05f8d7e6a5f8d7e6b", "timestamp": "2024-09-10T12:40:00.123456Z",` +
		` "session": {"external_id": "d2fa98d2", "closed_at": "2024-09-10T12:39:59Z"}, "user": {"country_code": "+52", "cellphone": "15512345678"},` +
		` "user_session_keys": [{"key": "name", "value": "Juan P\u00e9rez"}, {"key": "email", "value": null}], "hsm": {"name": "welcome_message"}, "messages": [`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		sender := []string{"company", "user"}[i%2]
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, `{"sender": "%s", "type": "hsm", "hsm": {"message": "Hola {{1}}, tu pedido %d va en camino"}, "created_at": "2024-09-10T12:00:00Z", "delivered_at": "2024-09-10T12:00:01Z", "read_at": null}`, sender, i)
		case 1:
			fmt.Fprintf(&b, `{"sender": "%s", "type": "audio", "audio": {"url": "https://example.com/voice-%d.ogg"}, "created_at": "2024-09-10T12:02:00Z"}`, sender, i)
		default:
			fmt.Fprintf(&b, `{"sender": "%s", "type": "text", "text": {"message": "Gracias, adi\u00f3s \ud83d\udc4b\nnos vemos el martes a las %d"}, "created_at": "2024-09-10T12:03:00.5Z"}`, sender, i)
		}
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func parseAndEncode(tb testing.TB, body []byte) {
	for _, e := range parse(body, "").Events {
		if _, err := e.Encode(); err != nil {
			tb.Fatal(err)
		}
	}
}

func naively(tb testing.TB, body []byte) {
	var v naiveEvent
	if err := json.Unmarshal(body, &v); err != nil {
		tb.Fatal(err)
	}
	if _, err := json.Marshal(v); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkBody compares the way of a body through Parse and Encode with the naive one.
// Only the ratio is meaningful; both run alternately.
func BenchmarkBody(b *testing.B) {
	for name, body := range benchBodies(b) {
		b.Run(name, func(b *testing.B) {
			rounds := max(1, 4000/len(body))
			var ours, naive time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				for range rounds {
					parseAndEncode(b, body)
				}
				middle := time.Now()
				for range rounds {
					naively(b, body)
				}
				ours, naive = ours+middle.Sub(start), naive+time.Since(middle)
			}
			b.ReportMetric(float64(ours)/float64(naive), "of-encoding-json")
		})
	}
}

// The stages of the same way, each for itself.
func BenchmarkParse(b *testing.B) {
	for name, body := range benchBodies(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				parse(body, "")
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, body := range benchBodies(b) {
		b.Run(name, func(b *testing.B) {
			e := parse(body, "").Events[0]
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := e.Encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations bounds what one read event costs the garbage collector.
func TestAllocations(t *testing.T) {
	body := benchBodies(t)["read"]
	if e := parse(body, "").Events[0]; e.Kind != schema.KindMessageRead || len(e.Data.Base().Warnings) > 0 {
		t.Fatalf("got %s with the warnings %q", e.Kind, e.Data.Base().Warnings)
	}
	const most = 20
	if n := testing.AllocsPerRun(200, func() { parseAndEncode(t, body) }); n > most && !raceEnabled {
		t.Errorf("Parse and Encode: got %v allocations, want %d at most", n, most)
	}
}
