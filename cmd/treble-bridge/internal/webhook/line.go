package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Delivery is a webhook request as a line of JSON, which "quarantine export" writes and
// send reads. docs/events.md describes the form, which is stable.
type Delivery struct {
	ID         string               `json:"id,omitempty"` // in the quarantine
	Received   time.Time            `json:"received"`
	Source     string               `json:"source"`
	Path       string               `json:"path"`
	Test       string               `json:"test,omitempty"` // the run of send that made it
	Reason     schema.Reason        `json:"reason,omitempty"`
	Violations []delivery.Violation `json:"violations,omitempty"`
	Body       []byte               `json:"-"` // as received; Encode and ParseDelivery treat it apart
}

// Encode returns the line with its end. The body is spliced in as it stands; one
// that is no JSON, or that no single line can hold, goes in as base64, so that its
// bytes come back as they were in any case.
func (d Delivery) Encode() ([]byte, error) {
	d.Received = d.Received.UTC()
	head, err := value.MarshalJSON(d)
	if err != nil {
		return nil, fmt.Errorf("write delivery line: %w", err)
	}
	head = head[:len(head)-1]
	if utf8.Valid(d.Body) && !bytes.ContainsAny(d.Body, "\r\n") && len(bytes.TrimSpace(d.Body)) == len(d.Body) {
		line := append(append(append(bytes.Clone(head), `,"body":`...), d.Body...), '}')
		// The whole line is looked at: it is nested one deeper than the body.
		if json.Valid(d.Body) && json.Valid(line) {
			return append(line, '\n'), nil
		}
	}
	line := append(head, `,"body_base64":"`...)
	line = base64.StdEncoding.AppendEncode(line, d.Body)
	return append(line, "\"}\n"...), nil
}

// ParseDelivery reads a line that Encode wrote, and ignores members that a later version may add. Its
// errors name members, and repeat nothing of the body.
func ParseDelivery(b []byte) (Delivery, error) {
	var w struct {
		Delivery
		Received string          `json:"received"` // instead of the time: its error says which form is right
		Body     json.RawMessage `json:"body"`
		Base64   *string         `json:"body_base64"`
	}
	err := json.Unmarshal(b, &w)
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrongType.Field != "" {
		return Delivery{}, fmt.Errorf("%s: may not be a %s", strings.TrimPrefix(wrongType.Field, "Delivery."), wrongType.Value)
	} else if err != nil {
		return Delivery{}, errors.New("is no JSON object")
	}
	d := w.Delivery
	if d.Received, err = time.Parse(time.RFC3339, w.Received); err != nil {
		return Delivery{}, errors.New("received: use a time in the form of RFC 3339")
	}
	switch {
	case d.Source == "":
		return Delivery{}, errors.New("source: is missing")
	case !strings.HasPrefix(d.Path, "/"):
		return Delivery{}, errors.New("path: does not begin with /")
	case (w.Body == nil) == (w.Base64 == nil):
		return Delivery{}, errors.New("has to have one of body and body_base64")
	case w.Base64 == nil:
		d.Body = w.Body
		return d, nil
	}
	if d.Body, err = base64.StdEncoding.DecodeString(*w.Base64); err != nil {
		return Delivery{}, errors.New("body_base64: is no base64")
	}
	return d, nil
}
