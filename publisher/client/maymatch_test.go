package client

import "testing"

// TestMayMatch: what is not decoded has nothing to match.
func TestMayMatch(t *testing.T) {
	envelope := []byte(`{"source":"/treble/shop","subject":"caf\u00e9","data":{"phone":"+573001234567","conversation_id":"34820"}}`)
	for _, tt := range []struct {
		name string
		f    Filter
		want bool
	}{
		{"nothing", Filter{}, true},
		{"phone", Filter{Phone: "+573001234567"}, true},
		{"other-phone", Filter{Phone: "+573001234568"}, false},
		{"escaped", Filter{Session: "café"}, true}, // it may be written in another way
		{"session", Filter{Session: "session-1"}, false},
		{"conversation", Filter{Conversation: "34820", Source: "shop"}, true},
		{"one-of-two", Filter{Conversation: "34820", Source: "other"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.mayMatch(envelope); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
