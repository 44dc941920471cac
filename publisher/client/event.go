package client

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// IsEvent reports whether a message is an event of the bridge, or of a later version of
// it. Other messages may be in the stream: those of another publisher, or of the server
// itself, such as delete markers.
func (s Message) IsEvent() bool {
	if len(s.Header[schema.HeaderKind]) > 0 && bytes.HasPrefix(s.Data, envelopeStart) &&
		bytes.Contains(s.Data[:min(len(s.Data), envelopeHead)], envelopeType) {
		return json.Valid(s.Data) // as the bridge writes it; to decode it takes ten times as long
	}
	_, err := schema.Decode(s.Data)
	return err == nil || errors.Is(err, schema.ErrVersion)
}

// How an envelope begins that the bridge wrote.
var (
	envelopeStart = []byte(`{"specversion":"1.0","id":"`)
	envelopeType  = []byte(`","type":"ai.treble.`)
)

// envelopeHead is enough for the attributes up to the type.
const envelopeHead = 256

// PhoneOf is the telephone number of an event, or "". It is what this version makes of the
// number: an event of an earlier one may have it in another form, or not at all.
func PhoneOf(e schema.Event) string {
	base := e.Data.Base()
	if number, ok := phone.Parse(base.Phone); ok {
		return number
	}
	number, _ := phone.Join(base.CountryCode, base.Cellphone)
	return number
}
