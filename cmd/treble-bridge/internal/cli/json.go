package cli

import (
	"io"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// WriteJSON writes a value as one line of JSON, without escaping what only HTML minds: commands
// in it can be pasted.
func WriteJSON(w io.Writer, v any) error { return value.JSONEncoder(w).Encode(v) }

// WriteIndentedJSON writes a value as JSON on several lines.
func WriteIndentedJSON(w io.Writer, v any) error {
	enc := value.JSONEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// MarshalJSON returns what WriteJSON writes, without its end.
func MarshalJSON(v any) ([]byte, error) { return value.MarshalJSON(v) }
