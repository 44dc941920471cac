package setaside

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// lineJSON is a message as a line of an export. Its form is stable.
type lineJSON struct {
	File    string              `json:"file,omitempty"` // none for a message of a journal
	Subject string              `json:"subject"`
	Reason  string              `json:"reason"`
	Time    time.Time           `json:"time"`
	Headers map[string][]string `json:"headers"`
	Data    json.RawMessage     `json:"data,omitempty"`
	Base64  *string             `json:"data_base64,omitempty"`
}

// Line returns the message with its data as one line of JSON: an event's envelope
// as "data", and byte for byte as "data_base64" besides if white space in it is lost on one
// line; a refused body, and whatever is no JSON, as "data_base64" alone.
func (m Message) Line() ([]byte, error) {
	if m.Damaged != nil {
		return nil, m.Damaged
	}
	v := lineJSON{File: m.File, Subject: m.Subject, Reason: m.Reason, Time: m.Time, Headers: m.message.Header.Map()}
	data := m.message.Data
	var b bytes.Buffer
	if !m.isRefusedBody() && utf8.Valid(data) && json.Compact(&b, data) == nil {
		v.Data = data
	}
	if v.Data == nil || !bytes.Equal(b.Bytes(), data) {
		text := base64.StdEncoding.EncodeToString(data)
		v.Base64 = &text
	}
	b.Reset()
	if err := value.JSONEncoder(&b).Encode(v); err != nil { // an escape would change characters of the body
		return nil, fmt.Errorf("write message %s as JSON: %w", m.ID, err)
	}
	return b.Bytes(), nil
}

// ParseLine reads what Line wrote, and what a later version may add to it. Its errors name
// members, and repeat nothing of the data.
func ParseLine(line []byte) (Message, error) {
	var v lineJSON
	var wrongType *json.UnmarshalTypeError
	switch err := json.Unmarshal(line, &v); {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return Message{}, fmt.Errorf("%s: may not be a %s", wrongType.Field, wrongType.Value)
	case err != nil:
		return Message{}, errors.New("is no JSON object of an export: use one that journal export or set-aside export wrote")
	case v.Subject == "":
		return Message{}, errors.New("subject: is missing")
	case v.Data == nil && v.Base64 == nil:
		return Message{}, errors.New("has neither data nor data_base64")
	}
	e := Entry{Message: broker.Message{Subject: v.Subject, Header: broker.HeaderOf(v.Headers), Data: v.Data}, Reason: v.Reason, Time: v.Time}
	if e.ID = e.Header.Get(schema.HeaderMsgID); e.ID == "" {
		return Message{}, fmt.Errorf("headers: %s is missing, without which a message could be stored twice", schema.HeaderMsgID)
	}
	if v.Base64 != nil {
		var err error
		if e.Data, err = base64.StdEncoding.DecodeString(*v.Base64); err != nil {
			return Message{}, errors.New("data_base64: is no base64")
		}
	}
	return MessageOf(e), nil
}
