package cli

import (
	"bytes"
	"encoding/json"
	"io"
)

// WriteJSON writes a value as one line of JSON, without escaping what only HTML minds: commands
// in it can be pasted.
func WriteJSON(w io.Writer, v any) error { return encoder(w).Encode(v) }

// WriteIndentedJSON writes a value as JSON on several lines.
func WriteIndentedJSON(w io.Writer, v any) error {
	enc := encoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// MarshalJSON returns what WriteJSON writes, without its end.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	err := WriteJSON(&b, v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func encoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}
