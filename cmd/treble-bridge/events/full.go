package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// one shows one event. That there is none is an error.
func (e *command) one(ctx context.Context, c *client.Client, f client.Filter) error {
	found, err := e.search(ctx, c, f, 1)
	switch {
	case err != nil:
		return err
	case len(found) == 0 && e.skipped > 0 && f.ID != "":
		return fmt.Errorf("the message with the id %s is no event of the bridge", terminal.Printable(f.ID))
	case len(found) == 0 && e.skipped > 0:
		return fmt.Errorf("message %d is no event of the bridge", f.FromSeq)
	case len(found) == 0 && f.ID != "":
		return fmt.Errorf("no event with the id %s is stored: it may be older than the stream keeps, or pending (see treble-bridge journal status)", terminal.Printable(f.ID))
	case len(found) == 0:
		return fmt.Errorf("there is no event at %d: it was removed, belongs to somebody else, or is not stored yet", f.FromSeq)
	case e.format.json || e.format.raw:
		_, err = e.streams.Out.Write(e.listed(found[0]))
	default:
		_, err = e.streams.Out.Write(e.format.full(found[0]))
	}
	return err
}

// full formats all of an event for people.
func (f eventFormat) full(s client.Message) []byte {
	data := s.Data
	if !f.showPII {
		data = redact.Mask(data)
	}
	e, err := schema.Decode(data)
	if err != nil {
		return f.line(s) // which says so
	}
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s %s\n", f.palette.Paint(terminal.Dim, terminal.Pad(name, fieldWidth)), terminal.Printable(value))
		}
	}
	base := e.Data.Base()
	field("kind", string(e.Kind))
	field("happened", e.Time.Format(time.RFC3339Nano))
	field("received", e.ReceivedTime.Format(time.RFC3339Nano))
	field("stored", fmt.Sprintf("%s, at %d on %s", s.Stored.UTC().Format(time.RFC3339Nano), s.Sequence, s.Subject))
	field("id", fmt.Sprintf("%s (%s)", e.ID, e.DedupeKey))
	field("source", e.Source)
	field("session", e.Subject)
	field("conversation", base.ConversationID)
	field("phone", base.Phone)
	field("says", hint(e))
	field("test", strings.Join(s.Header[schema.HeaderTest], ", "))
	for i, w := range base.Warnings {
		name := ""
		if i == 0 {
			name = "warnings"
		}
		fmt.Fprintf(&b, "%s %s\n", f.palette.Paint(terminal.Dim, terminal.Pad(name, fieldWidth)), f.palette.Paint(terminal.Yellow, terminal.Printable(w)))
	}
	fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n%s\n", f.palette.Paint(terminal.Dim, "normalised"), f.indented(normalised(data)),
		f.palette.Paint(terminal.Dim, "as received"), f.indented(base.Raw))
	return b.Bytes()
}

const fieldWidth = len("conversation")

// normalised is the data of an envelope without the body as received.
func normalised(envelope []byte) []byte {
	var e struct {
		Data json.RawMessage `json:"data"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(envelope, &e) != nil || json.Unmarshal(e.Data, &members) != nil {
		return nil // not reached: it was decoded
	}
	delete(members, "raw")
	delete(members, "raw_base64")
	out, err := value.MarshalJSON(members)
	if err != nil {
		return nil // not reached, likewise
	}
	return out
}

// indented formats JSON for people.
func (f eventFormat) indented(doc []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(doc), "", "  ") != nil {
		return []byte(terminal.Printable(string(doc)))
	}
	return redact.Harmless(b.Bytes())
}
