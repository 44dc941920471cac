package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Event is what the bridge publishes: a CloudEvents 1.0 envelope around a
// typed payload. See the package documentation for the wire form.
type Event struct {
	ID           string    // 26 characters, see Identity in the package documentation; also Nats-Msg-Id
	Source       string    // name of the source that took it; on the wire "/treble/" + name
	Kind         Kind      // on the wire "ai.treble." + kind
	Subject      string    // session id, or ""
	Time         time.Time // when it happened by Treble's clock, else ReceivedTime
	ReceivedTime time.Time // when the bridge received it
	DedupeKey    DedupeKey // what makes the id
	Data         Payload   // of the type that belongs to Kind

	// TestRun names the run of "treble-bridge send" that made the event. It
	// travels as the header Treble-Test, not in the envelope, which says
	// data.test: true.
	TestRun string
}

// DedupeKey says how much an equal id means.
type DedupeKey string

// The dedupe keys. Whatever it is, events with equal ids have equal bodies.
const (
	DedupeEventID DedupeKey = "event_id" // Treble gave the event an id of its own
	DedupeContent DedupeKey = "content"  // the body holds a time, so an equal body is the same event again
	DedupeNone    DedupeKey = "none"     // no id and no time: an equal body may be another event, so the id is unique
)

// The headers of a published message. The bridge sets them; consumers may
// route by them without decoding the envelope.
const (
	HeaderMsgID       = "Nats-Msg-Id"     // the envelope's id; the server drops a second message with it inside the duplicate window
	HeaderContentType = "Content-Type"    // that of a CloudEvent in JSON
	HeaderKind        = "Treble-Kind"     // the kind
	HeaderEventID     = "Treble-Event-Id" // Treble's own id of the event, where given and harmless
	HeaderTest        = "Treble-Test"     // on requests and messages: the run of "treble-bridge send"
	HeaderReceived    = "Treble-Received" // on requests: when the body was first received, RFC 3339; on refused bodies too

	// A replayed message has these too, and its Nats-Msg-Id is "<run>.<sequence>".
	HeaderReplayRun      = "Treble-Replay-Run"      // the run of "treble-bridge replay"
	HeaderReplaySequence = "Treble-Replay-Sequence" // where the event is in the event stream
	HeaderReplayStored   = "Treble-Replay-Stored"   // when it was stored there, in RFC 3339
)

// ContentType is the content type of a published message.
const ContentType = "application/cloudevents+json"

const (
	specVersion     = "1.0"
	dataContentType = "application/json"
	sourcePrefix    = "/treble/"
)

// envelope holds the attributes before data, in the order of the wire.
type envelope struct {
	SpecVersion     string    `json:"specversion"`       // of CloudEvents
	ID              string    `json:"id"`                // equal for the same event; also the header Nats-Msg-Id, but for replays
	Source          string    `json:"source"`            // "/treble/" and the name of the configured source
	Type            string    `json:"type"`              // "ai.treble." and the kind
	Subject         string    `json:"subject,omitempty"` // Treble's session id, where there is one
	Time            string    `json:"time"`              // when it happened by Treble's clock, else receivedtime; UTC
	DataContentType string    `json:"datacontenttype"`   // of data
	DataSchema      string    `json:"dataschema"`        // the kind and its version: which fields data may have
	ReceivedTime    string    `json:"receivedtime"`      // when the bridge received it; UTC
	DedupeKey       DedupeKey `json:"dedupekey"`         // what makes the id
}

// Header returns the NATS headers of the event.
func (e Event) Header() map[string][]string {
	h := map[string][]string{}
	for name, value := range e.Headers() {
		h[name] = []string{value}
	}
	return h
}

// Headers yields the same headers, in the order of their names.
func (e Event) Headers() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		eventID := e.Data.Base().EventID
		_ = yield(HeaderContentType, ContentType) &&
			yield(HeaderMsgID, e.ID) &&
			(!harmless(eventID) || yield(HeaderEventID, eventID)) &&
			yield(HeaderKind, string(e.Kind)) &&
			(!harmless(e.TestRun) || yield(HeaderTest, e.TestRun))
	}
}

// harmless reports whether a text may travel in a header.
func harmless(s string) bool {
	const most = 128
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= most
}

// Encode returns the envelope as it is published. The payload's Raw is spliced
// in as it stands; json.Marshal of an Event would reformat it, so do not.
func (e Event) Encode() ([]byte, error) {
	const attributes = 512 // bytes, and about as much as the normalised fields are of raw
	return e.AppendTo(make([]byte, 0, attributes+2*len(e.Data.Base().Raw)))
}

// AppendTo appends to b what Encode returns.
func (e Event) AppendTo(b []byte) ([]byte, error) {
	b = append(b, `{"specversion":"`+specVersion+`","id":"`...)
	b = appendEscaped(b, e.ID)
	b = append(b, `","source":"`+sourcePrefix...)
	b = appendEscaped(b, e.Source)
	b = append(b, `","type":"`+typePrefix...)
	b = appendEscaped(b, string(e.Kind))
	if e.Subject != "" {
		b = append(b, `","subject":"`...)
		b = appendEscaped(b, e.Subject)
	}
	b = append(b, `","time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","datacontenttype":"`+dataContentType+`","dataschema":"`+dataSchemaPrefix...)
	b = appendEscaped(b, string(e.Kind))
	b = append(b, dataSchemaVersionSuffix+`","receivedtime":"`...)
	b = e.ReceivedTime.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","dedupekey":"`...)
	b = appendEscaped(b, string(e.DedupeKey))
	b = append(b, `","data":{`...)
	o := e.Data.append(object{b: b}).key("raw")
	raw := e.Data.Base().Raw
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	o.b = append(o.b, raw...)
	if o = o.end().end(); o.err != nil {
		return nil, fmt.Errorf("encode data of %s: %w", e.Kind, o.err)
	}
	return o.b, nil
}

// WithoutCopies returns the event without the normalised copies of messages
// and session_keys, which raw holds too, and with a warning in their place. It
// is for an event that is too large for the server. The bool is false if there
// was no copy to leave out.
func (e Event) WithoutCopies() (Event, bool) {
	from := reflect.ValueOf(e.Data).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	e.Data = to.Interface().(Payload)

	base := e.Data.Base()
	base.Warnings = slices.Clone(base.Warnings)
	leaveOut := func(field string) {
		base.Warnings = append(base.Warnings, field+": left out, since the event is too large; see raw")
	}
	dropped := false
	if len(base.SessionKeys) > 0 {
		base.SessionKeys, dropped = nil, true
		leaveOut("session_keys")
	}
	if p, ok := e.Data.(*ConversationClosed); ok && len(p.Messages) > 0 {
		p.Messages, dropped = nil, true
		leaveOut("messages")
	}
	return e, dropped
}

// ErrVersion is the error of Decode for an event whose data is of another version
// than this package reads. It never comes on the subjects of version 1.
var ErrVersion = errors.New("data is of another version: update the package schema, or read the subjects of version 1")

// Decode reads an event as a consumer receives it. It accepts what Encode
// writes, and what a later version of the bridge may add to it: a field that it
// does not know is ignored, but for Raw, and an event of a kind that it does not
// know has that Kind and an [*Unrecognized] as its Data, with what is common to
// all kinds. An error means that the bytes are no event, unless it is ErrVersion;
// receiving them again will not help.
func Decode(b []byte) (Event, error) {
	var w struct {
		envelope
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return Event{}, fmt.Errorf("decode envelope: %w", err)
	}
	if w.SpecVersion != specVersion {
		return Event{}, fmt.Errorf("decode envelope: specversion is %q, want %q", w.SpecVersion, specVersion)
	}
	name, ok := strings.CutPrefix(w.Type, typePrefix)
	if !ok {
		return Event{}, fmt.Errorf("decode envelope: type is %q, want %s and a kind", w.Type, typePrefix)
	}
	source, ok := strings.CutPrefix(w.Source, sourcePrefix)
	if !ok {
		return Event{}, fmt.Errorf("decode envelope: source is %q, want %s and a name", w.Source, sourcePrefix)
	}
	if otherVersion(w.DataSchema) {
		return Event{}, fmt.Errorf("decode data of %s: dataschema is %q: %w", name, w.DataSchema, ErrVersion)
	}
	if w.ID == "" {
		return Event{}, errors.New("decode envelope: id is missing")
	}
	e := Event{ID: w.ID, Source: source, Kind: Kind(name), Subject: w.Subject, DedupeKey: w.DedupeKey}
	var err error
	if e.Time, err = time.Parse(time.RFC3339, w.Time); err != nil {
		return Event{}, fmt.Errorf("decode envelope: time: %w", err)
	}
	if e.ReceivedTime, err = time.Parse(time.RFC3339, w.ReceivedTime); err != nil {
		return Event{}, fmt.Errorf("decode envelope: receivedtime: %w", err)
	}
	e.Data = newPayload(e.Kind)
	if err := json.Unmarshal(w.Data, e.Data); err != nil {
		return Event{}, fmt.Errorf("decode data of %s: %w", e.Kind, err)
	}
	var spliced struct {
		Raw json.RawMessage `json:"raw"`
	}
	if err := json.Unmarshal(w.Data, &spliced); err != nil {
		return Event{}, fmt.Errorf("decode data of %s: %w", e.Kind, err)
	}
	e.Data.Base().Raw = spliced.Raw
	return e, nil
}

// marshal is json.Marshal without the escaping for HTML, which would make
// texts longer and say nothing to a consumer.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
