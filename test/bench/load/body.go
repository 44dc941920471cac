package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// idDigits is the number of digits of an event's number inside its session id.
const idDigits = 12

// idMark precedes the number. It stands nowhere else in an event, so that the
// number is found in whatever an envelope makes of the body.
var idMark = []byte("bench-")

// Body is an event of Treble of which only the session id changes. It has as
// many digits whatever the number is, so that every request is as long as the
// others, and its bytes are written in place.
type Body struct {
	template []byte
	digits   int // where the number begins
}

// NewBody makes one of an event, compacted, whose text is padded until the body
// has a size. Size 0 leaves it as it is.
func NewBody(event []byte, size int) (Body, error) {
	fields := map[string]any{}
	if err := json.Unmarshal(event, &fields); err != nil {
		return Body{}, fmt.Errorf("event: %w", err)
	}
	id, ok := fields["session_id"].(string)
	if !ok {
		return Body{}, fmt.Errorf("event: no session_id")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, event); err != nil {
		return Body{}, err
	}
	// As long as Treble's own, so that the body keeps its size.
	mark := append(bytes.Clone(idMark), bytes.Repeat([]byte("0"), idDigits)...)
	for len(mark) < len(id) {
		mark = append(mark, 'x')
	}
	out := bytes.Replace(b.Bytes(), []byte(id), mark, 1)
	if missing := size - len(out); missing > 0 {
		text, ok := fields["sent_text"].(string)
		if !ok {
			return Body{}, fmt.Errorf("event: no sent_text to pad")
		}
		old := []byte(`"sent_text":` + strconv.Quote(text))
		longer := []byte(`"sent_text":` + strconv.Quote(text+string(bytes.Repeat([]byte("abcdefg "), missing/8+1)[:missing])))
		out = bytes.Replace(out, old, longer, 1)
	}
	return Body{template: out, digits: bytes.Index(out, idMark) + len(idMark)}, nil
}

// Len is the size of every body.
func (b Body) Len() int { return len(b.template) }

// Event returns the body of the event with a number.
func (b Body) Event(number int64) []byte {
	out := bytes.Clone(b.template)
	putNumber(out[b.digits:], number)
	return out
}

// putNumber writes a number over the digits of a session id.
func putNumber(dst []byte, number int64) {
	for i := idDigits - 1; i >= 0; i-- {
		dst[i] = byte('0' + number%10)
		number /= 10
	}
}

// Number finds the number of the event that a message was made of.
func Number(message []byte) (int64, bool) {
	i := bytes.Index(message, idMark)
	if i < 0 || len(message) < i+len(idMark)+idDigits {
		return 0, false
	}
	digits := message[i+len(idMark):][:idDigits]
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil
}
