package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/schema"
)

func TestSamplesAreWhatTheyAreCalled(t *testing.T) {
	for _, k := range schema.Kinds() {
		if _, err := webhook.Sample(string(k)); err != nil && k != schema.KindBridgeProbe {
			t.Errorf("%s: %v", k, err)
		}
	}
	if _, err := webhook.Sample("nothing"); err == nil || !strings.Contains(err.Error(), "message.read") {
		t.Errorf("got %v, want the names there are", err)
	}
}

func TestFreshen(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600000000, time.UTC)
	got := string(webhook.Freshen([]byte(`{"session_id": "abc", "x": {"external_id": "abc"}, "event_id": "5f8d",
 "sent_at": "2021-06-22 15:19:06.473256", "read_at": "2021-06-22 15:19:08", "timestamp": "2021-06-22T15:19:07.5Z", "conversation_id": 1}`), now))
	var v struct {
		SessionID string `json:"session_id"`
		X         struct {
			ExternalID string `json:"external_id"`
		}
		EventID   string `json:"event_id"`
		SentAt    string `json:"sent_at"`
		ReadAt    string `json:"read_at"`
		Timestamp string
	}
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatal(err)
	}
	if v.SessionID == "abc" || v.SessionID != v.X.ExternalID || v.EventID == "5f8d" || v.EventID == v.SessionID {
		t.Errorf("ids: got %s", got)
	}
	if v.ReadAt != "2026-01-02 03:04:05" || v.SentAt != "2026-01-02 03:04:04.073256" || v.Timestamp != "2026-01-02T03:04:05.1Z" {
		t.Errorf("times: got %s", got)
	}
	if same := webhook.Freshen([]byte("not json"), now); string(same) != "not json" {
		t.Errorf("got %q", same)
	}
}
