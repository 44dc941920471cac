package events

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// list shows events in the order of the stream.
func (e *command) list(ctx context.Context, c *client.Client, f client.Filter) error {
	shown := 0
	show := func(s client.Message) error {
		shown++
		_, err := e.streams.Out.Write(e.listed(s))
		return err
	}
	if e.limit == 0 { // line by line, however many there are
		for s, err := range c.Select(ctx, f, &e.skipped) {
			if err == nil {
				err = show(s)
			}
			if err != nil {
				return err
			}
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
func (e *command) newest(ctx context.Context, c *client.Client, f client.Filter) (found []client.Message, more bool, err error) {
	if e.limit == 0 {
		for s, err := range c.Select(ctx, f, &e.skipped) {
			if err != nil {
				return found, false, err
			}
			found = append(found, s)
		}
		return found, false, nil
	}
	found, err = e.search(ctx, c, f, e.limit+1)
	if more = len(found) > e.limit; more {
		found = found[1:]
	}
	return found, more, err
}

// search returns the newest n events, and tells people how far it is.
func (e *command) search(ctx context.Context, c *client.Client, f client.Filter, n int) ([]client.Message, error) {
	note := terminal.NewNote(e.streams.Err)
	defer note.Done()
	return c.Newest(ctx, f, n, &e.skipped, func(looked uint64) { note.Printf("looked at %d events", looked) })
}

// sayMore and sayNone write to standard error, so that a script reads nothing but
// events.
func (e *command) sayMore(more bool) {
	if more {
		fmt.Fprintf(e.streams.Err, "these are the newest %d, and there are older ones: use --limit, or --limit 0 for all\n", e.limit)
	}
}

func (e *command) sayNone(f client.Filter) {
	switch {
	case e.filter.Empty():
		fmt.Fprintln(e.streams.Err, "the stream holds no event yet")
	case f.Session != "":
		fmt.Fprintln(e.streams.Err, "no event is chosen: --session wants the whole id (one event in full shows it: treble-bridge events SEQUENCE)")
	default:
		fmt.Fprintln(e.streams.Err, "no event is chosen by these flags")
	}
}

// listed formats an event as a line of the list, with the line end.
func (e *command) listed(s client.Message) []byte {
	switch {
	case e.format.json:
		return e.format.eventJSON(s, nil)
	case e.format.raw:
		return e.format.line(s)
	}
	return fmt.Appendf(nil, "%*d  %s", sequenceWidth, s.Sequence, e.format.line(s))
}

// sequenceWidth is enough for ten million events to stand in line.
const sequenceWidth = 7

// EventJSON is a stored event as scripts read it. Its form is stable.
type EventJSON struct {
	Sequence uint64          `json:"sequence"`
	Stored   time.Time       `json:"stored"`
	Subject  string          `json:"subject"`
	Event    json.RawMessage `json:"event"`
	GapMS    *int64          `json:"gap_ms,omitempty"` // in a timeline
	Marks    []mark          `json:"marks,omitzero"`   // in a timeline
}

// EventJSON returns the line, with its end. m is its place in a timeline, or nil.
func (f eventFormat) eventJSON(s client.Message, m *moment) []byte {
	v := EventJSON{Sequence: s.Sequence, Stored: s.Stored.UTC(), Subject: s.Subject, Event: f.line(s)}
	if m != nil {
		gap := m.gap.Milliseconds()
		v.GapMS, v.Marks = &gap, append([]mark{}, m.marks...)
	}
	line, err := value.MarshalJSON(v)
	if err != nil {
		line = redact.QuoteJSON(err.Error()) // not reached: the event is JSON, the rest can be encoded
	}
	return append(redact.Harmless(line), '\n')
}
