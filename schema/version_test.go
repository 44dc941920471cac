package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

func TestDecodeOfAnotherVersion(t *testing.T) {
	envelope := string(schematest.Envelope(schema.KindMessageRead))
	for dataSchema, want := range map[string]bool{
		"": false, "https://example.com/schema:2": false, "urn:treble-bridge:": false,
		"urn:treble-bridge:message.read:1": false, "urn:treble-bridge:message.reacted:1": false,
		"urn:treble-bridge:message.read:2": true, "urn:treble-bridge:message.read:11": true, "urn:treble-bridge:message.read:": true,
	} {
		_, err := schema.Decode([]byte(strings.Replace(envelope, schema.KindMessageRead.DataSchema(), dataSchema, 1)))
		if got := errors.Is(err, schema.ErrVersion); got != want {
			t.Errorf("%q: got %v, want another version %v", dataSchema, err, want)
		}
	}
}
