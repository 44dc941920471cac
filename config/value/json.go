package value

import (
	"bytes"
	"encoding/json"
	"io"
)

// JSONEncoder returns an encoder that does not escape what only HTML minds: so texts stay as they
// are, and commands in them can be pasted.
func JSONEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// MarshalJSON marshals v like json.Marshal, with such an encoder.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	err := JSONEncoder(&b).Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
