package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// list shows events in the order of the stream.
func (e *eventsCommand) list(ctx context.Context, c *client.Client, f client.Filter) error {
	shown := 0
	show := func(s client.Message) error {
		shown++
		_, err := e.io.out.Write(e.listed(s))
		return err
	}
	if e.limit == 0 { // line by line, however many there are
		if err := c.Each(ctx, f, &e.skipped, show); err != nil {
			return err
		}
	} else {
		found, more, err := e.newest(ctx, c, f)
		if err != nil {
			return err
		}
		for _, s := range found {
			if err := show(s); err != nil {
				return err
			}
		}
		e.sayMore(more)
	}
	if shown == 0 {
		e.sayNone(f)
	}
	return nil
}

// newest returns at most e.limit events, and whether there are more; all of them if
// it is 0.
func (e *eventsCommand) newest(ctx context.Context, c *client.Client, f client.Filter) (found []client.Message, more bool, err error) {
	if e.limit == 0 {
		err = c.Each(ctx, f, &e.skipped, func(s client.Message) error {
			found = append(found, s)
			return nil
		})
		return found, false, err
	}
	found, err = c.Newest(ctx, f, e.limit+1, &e.skipped, e.looked())
	e.wipe()
	if more = len(found) > e.limit; more {
		found = found[1:]
	}
	return found, more, err
}

// looked returns what tells people at a terminal how far the search is, or nil.
func (e *eventsCommand) looked() func(uint64) {
	if !isTerminal(e.io.err) {
		return nil
	}
	return func(n uint64) { fmt.Fprintf(e.io.err, "\r\x1b[Klooked at %d events", n) }
}

// wipe removes the line that looked wrote.
func (e *eventsCommand) wipe() {
	if isTerminal(e.io.err) {
		fmt.Fprint(e.io.err, "\r\x1b[K")
	}
}

// sayMore and sayNone write to standard error, so that a script reads nothing but
// events.
func (e *eventsCommand) sayMore(more bool) {
	if more {
		fmt.Fprintf(e.io.err, "these are the newest %d, and there are older ones: use --limit, or --limit 0 for all\n", e.limit)
	}
}

func (e *eventsCommand) sayNone(f client.Filter) {
	switch {
	case e.filter.empty():
		fmt.Fprintln(e.io.err, "the stream holds no event yet")
	case f.Session != "":
		fmt.Fprintln(e.io.err, "no event is chosen: --session wants the whole id (one event in full shows it: treble-bridge events SEQUENCE)")
	default:
		fmt.Fprintln(e.io.err, "no event is chosen by these flags")
	}
}

// listed is one event of a list, with the line end.
func (e *eventsCommand) listed(s client.Message) []byte {
	switch {
	case e.format.json:
		return e.format.eventLine(s, nil)
	case e.format.raw:
		return e.format.line(s)
	}
	return fmt.Appendf(nil, "%*d  %s", sequenceWidth, s.Sequence, e.format.line(s))
}

// sequenceWidth is enough for ten million events to stand in line.
const sequenceWidth = 7

// eventLine is a stored event as scripts read it. Its JSON form is stable.
type eventLine struct {
	Sequence uint64          `json:"sequence"`
	Stored   time.Time       `json:"stored"`
	Subject  string          `json:"subject"`
	Event    json.RawMessage `json:"event"`
	GapMS    *int64          `json:"gap_ms,omitempty"` // in a timeline
	Marks    []mark          `json:"marks,omitzero"`   // in a timeline
}

// eventLine returns the line, with its end. m is its place in a timeline, or nil.
func (f eventFormat) eventLine(s client.Message, m *moment) []byte {
	v := eventLine{Sequence: s.Sequence, Stored: s.Stored.UTC(), Subject: s.Subject, Event: f.line(s)}
	if m != nil {
		gap := m.gap.Milliseconds()
		v.GapMS, v.Marks = &gap, append([]mark{}, m.marks...)
	}
	return append(f.harmless(encodeLine(v)), '\n')
}

// encodeLine returns JSON on one line, without its end and without escaping what only
// HTML minds.
func encodeLine(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return quote(err.Error()) // not reached: what is passed here can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
