package cli

import (
	"io"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/config/value"
)

// WriteJSON writes a value as one line of JSON, without escaping what only HTML minds: commands
// in it can be pasted. What could steer a terminal is escaped.
func WriteJSON(w io.Writer, v any) error {
	line, err := value.MarshalJSON(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(redact.Harmless(line), '\n'))
	return err
}

// WriteJSONLines writes the JSON form of each value, as WriteJSON does.
func WriteJSONLines[T, JSON any](w io.Writer, all []T, form func(T) JSON) error {
	for _, v := range all {
		if err := WriteJSON(w, form(v)); err != nil {
			return err
		}
	}
	return nil
}

// WriteIndentedJSON writes a value as JSON on several lines.
func WriteIndentedJSON(w io.Writer, v any) error {
	enc := value.JSONEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
