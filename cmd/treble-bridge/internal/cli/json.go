package cli

import (
	"bytes"
	"encoding/json"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
)

// EncodeJSON returns JSON on one line, without its end and without escaping what only
// HTML minds.
func EncodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return redact.QuoteJSON(err.Error()) // not reached: what is passed here can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// MarshalJSON is json.Marshal without the escaping for HTML.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
