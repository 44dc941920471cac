package schema

import "testing"

func TestOtherVersion(t *testing.T) {
	for dataSchema, want := range map[string]bool{
		"": false, "https://example.com/schema:2": false, "urn:treble-bridge:": false,
		"urn:treble-bridge:message.read:1": false, "urn:treble-bridge:message.reacted:1": false,
		"urn:treble-bridge:message.read:2": true, "urn:treble-bridge:message.read:11": true, "urn:treble-bridge:message.read:": true,
	} {
		if got := otherVersion(dataSchema); got != want {
			t.Errorf("%q: got %v, want %v", dataSchema, got, want)
		}
	}
}
