package forget

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"unicode/utf16"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// decodings returns all that a message says: its data and headers as they are, and
// without what hides a text in them.
func decodings(header map[string][]string, data []byte) [][]byte {
	texts := [][]byte{data}
	for name, values := range header {
		for _, v := range values {
			texts = append(texts, []byte(name+": "+v))
		}
	}
	texts = append(texts, hiddenBytes(data)...)
	var all [][]byte
	for _, t := range texts {
		all = append(all, phone.Readings(t)...)
		if bytes.IndexByte(t, 0) >= 0 { // UTF-16, which may begin at any byte
			all = append(all, phone.Readings(bytes.ReplaceAll(t, []byte{0}, nil))...)
			for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
				all = append(all, phone.Readings(narrow(t, order))...)
			}
		}
	}
	return all
}

// narrow returns UTF-16 as UTF-8.
func narrow(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
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
