// Package quarantine keeps the bodies that the ingress refused, byte for byte, in a stream of their
// own: the form of a message there, what writes it, and what reads it for a command.
package quarantine

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// JetStream takes headers of at most 64 KiB in all. These bounds leave room.
const (
	maxViolations     = 16 << 10
	maxRequestHeaders = 16 << 10
	maxHeaderValue    = 2 << 10
)

// secretHeaders never leave the process. The ingress takes out what it knows
// to be secret; these are taken out whatever it does.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}

// encode returns the message that keeps a refused body: its data is the body as it was received.
func encode(prefix schema.Prefix, d delivery.Delivery) broker.Message {
	id := nuid.Next()
	h := map[string][]string{
		schema.HeaderMsgID:        {id},
		schema.HeaderQuarantineID: {id},
		schema.HeaderReason:       {string(d.Rejection.Reason)},
		schema.HeaderViolations:   {violationsHeader(d.Rejection.Violations)},
		schema.HeaderReceived:     {d.Received.UTC().Format(time.RFC3339Nano)},
	}
	set := func(name, v string) {
		if v = headerSafe(v, maxHeaderValue); v != "" {
			h[name] = []string{v}
		}
	}
	set(schema.HeaderSource, d.Source)
	set(schema.HeaderPath, d.Path)
	set(schema.HeaderTest, d.TestRun)
	if lines := requestHeaders(d.Header); len(lines) > 0 {
		h[schema.HeaderRequestHeader] = lines
	}
	return broker.Message{Subject: prefix.Quarantine(d.Rejection.Reason), ID: id, Header: broker.HeaderOf(h), Data: d.Body}
}

// requestHeaders returns "Name: value" lines in the order of names, as many as
// there is room for.
func requestHeaders(header map[string][]string) []string {
	var lines []string
	room := maxRequestHeaders
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if slices.Contains(secretHeaders, strings.ToLower(name)) {
			continue
		}
		for _, v := range header[name] {
			line := headerSafe(name+": "+v, maxHeaderValue)
			if room -= len(line) + len(schema.HeaderRequestHeader) + 4; room < 0 {
				return lines
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// violationsHeader returns the violations as JSON in ASCII. If they are too
// many, the last entry says how many are left out.
func violationsHeader(all []delivery.Violation) string {
	room := maxViolations
	var kept []string
	for i, v := range all {
		text := asciiJSON(v)
		if room -= len(text) + 1; room < 0 {
			kept = append(kept, asciiJSON(delivery.Violation{Problem: fmt.Sprintf("and %d more", len(all)-i)}))
			break
		}
		kept = append(kept, text)
	}
	return "[" + strings.Join(kept, ",") + "]"
}

// asciiJSON is JSON with everything outside printable ASCII escaped.
func asciiJSON(v delivery.Violation) string {
	b, _ := json.Marshal(v) // two strings: cannot fail
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r < 0x20 || r > 0x7e:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// headerSafe makes s fit for the value of a NATS header, which is one line of
// ASCII: bytes that are not, and the percent sign, become %XX. A value that is
// too long is cut, with "..." at its end.
func headerSafe(s string, limit int) string {
	var b strings.Builder
	for i := range len(s) {
		if b.Len() > limit-6 {
			b.WriteString("...")
			break
		}
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String())
}

// headerPlain is the reverse of headerSafe, but for what was cut off. A value that headerSafe did
// not write is returned as it is.
func headerPlain(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// Body is a refused body, as the quarantine keeps it.
type Body struct {
	Sequence       uint64 // in the stream of the quarantine
	ID             string
	Reason         schema.Reason
	Violations     []delivery.Violation
	Source         string
	Path           string // of the request
	TestRun        string // see delivery.Origin
	Received       time.Time
	RequestHeaders []string // "Name: value", without secrets
	Size           int64    // of the data
	Data           []byte   // the body as received; nil where only the headers were read
}

// decode reads what encode wrote; the body may be left out. It reports false for a message of
// another publisher, which the stream may hold too.
func decode(s client.Message) (Body, bool) {
	get := nats.Header(s.Header).Get
	q := Body{
		Sequence: s.Sequence,
		ID:       get(schema.HeaderQuarantineID),
		Reason:   schema.Reason(get(schema.HeaderReason)),
		Source:   headerPlain(get(schema.HeaderSource)),
		Path:     headerPlain(get(schema.HeaderPath)),
		TestRun:  headerPlain(get(schema.HeaderTest)),
		Size:     int64(len(s.Data)),
		Data:     s.Data,
	}
	var err error
	if q.Received, err = time.Parse(time.RFC3339Nano, get(schema.HeaderReceived)); err != nil {
		q.Received = s.Stored
	}
	// What cannot be read is no reason to hide the body.
	_ = json.Unmarshal([]byte(get(schema.HeaderViolations)), &q.Violations)
	for _, line := range s.Header[schema.HeaderRequestHeader] {
		q.RequestHeaders = append(q.RequestHeaders, headerPlain(line))
	}
	if n, err := strconv.ParseInt(get(nats.MsgSize), 10, 64); err == nil {
		q.Size = n
	}
	return q, q.ID != ""
}
