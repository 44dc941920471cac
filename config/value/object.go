package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Object is a JSON object that is kept as it is written, byte for byte but for white
// space around it. "" is none.
type Object string

// ParseObject checks a text: it must be one JSON object, in UTF-8, in which no object has a
// name twice. The errors name a place and never repeat the text.
func ParseObject(text string) (Object, error) {
	text = strings.Trim(Decode([]byte(text)), " \t\r\n")
	err := json.Unmarshal([]byte(text), new(json.RawMessage))
	switch syntax, ok := errors.AsType[*json.SyntaxError](err); {
	case !strings.HasPrefix(text, "{"):
		return "", errors.New("is no JSON object")
	case ok:
		return "", fmt.Errorf("is not JSON: the mistake is at byte %d", syntax.Offset)
	case err != nil:
		return "", errors.New("is not JSON")
	case !utf8.ValidString(text):
		return "", errors.New("is not UTF-8")
	}
	return Object(text), namesOnce(text)
}

// namesOnce finds a name that an object of a JSON text has twice. Readers differ in which one
// counts.
func namesOnce(text string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	type open struct {
		names map[string]bool // nil in an array
		value bool            // a value comes next, not a name
	}
	var stack []open
	for {
		token, err := dec.Token()
		if err != nil {
			return nil // the end: the text was found valid
		}
		top := len(stack) - 1
		if name, ok := token.(string); ok && top >= 0 && stack[top].names != nil && !stack[top].value {
			if stack[top].names[name] {
				return fmt.Errorf("has a name twice in one object, at byte %d", dec.InputOffset())
			}
			stack[top].names[name], stack[top].value = true, true
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, open{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, open{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
	}
}

// MarshalJSON writes the object, {} for none.
func (o Object) MarshalJSON() ([]byte, error) {
	if o == "" {
		return []byte("{}"), nil
	}
	return []byte(o), nil
}

// MarshalYAML writes the object as a text, which is read back as it is.
func (o Object) MarshalYAML() (any, error) {
	if o == "" {
		return map[string]any{}, nil
	}
	return string(o), nil
}
