package forget

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// maxUnescape bounds how often escapes are taken off: JSON may stand in a string of
// JSON.
const maxUnescape = 3

// readings returns all that a message says: its data and headers as they are, and
// without what hides a text in them.
func readings(header map[string][]string, data []byte) [][]byte {
	texts := [][]byte{data}
	for name, values := range header {
		for _, v := range values {
			texts = append(texts, []byte(name+": "+v))
		}
	}
	texts = append(texts, hiddenBytes(data)...)
	for i := range texts {
		t := texts[i]
		if bytes.IndexByte(t, 0) >= 0 {
			t = bytes.ReplaceAll(t, []byte{0}, nil) // text of two bytes a letter
			texts = append(texts, t)
		}
		for range maxUnescape {
			plain := unescape(t)
			if len(plain) == len(t) {
				break
			}
			texts = append(texts, plain)
			t = plain
		}
	}
	return texts
}

// hiddenBytes returns the values of raw_base64 in data.
func hiddenBytes(data []byte) (found [][]byte) {
	key := []byte(`"raw_base64"`)
	for rest := data; ; {
		i := bytes.Index(rest, key)
		if i < 0 {
			return found
		}
		rest = rest[i+len(key):]
		value := bytes.TrimLeft(rest, " \t\r\n:")
		if value, ok := bytes.CutPrefix(value, []byte(`"`)); ok {
			if end := bytes.IndexByte(value, '"'); end > 0 {
				out := make([]byte, base64.StdEncoding.DecodedLen(end))
				n, _ := base64.StdEncoding.Decode(out, value[:end]) // up to what is wrong with it
				found = append(found, out[:n])
			}
		}
	}
}

// unescape takes off one layer of what JSON (\u0035, \/) and URLs (%35) escape. What
// is no escape stays. The result is shorter if there was any.
func unescape(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 && bytes.IndexByte(text, '%') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		left := text[i:]
		switch {
		case len(left) >= 6 && left[0] == '\\' && left[1] == 'u':
			if r, err := strconv.ParseUint(string(left[2:6]), 16, 16); err == nil {
				out = utf8.AppendRune(out, rune(r))
				i += 5
				continue
			}
		case len(left) >= 3 && left[0] == '%':
			if c, err := strconv.ParseUint(string(left[1:3]), 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		case len(left) >= 2 && left[0] == '\\':
			switch left[1] {
			case '\\', '/', '"':
				out = append(out, left[1])
				i++
				continue
			case 'n', 'r', 't':
				out = append(out, ' ')
				i++
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}
