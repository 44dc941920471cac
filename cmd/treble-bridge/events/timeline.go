package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// timeline shows the events of a session in the order in which they happened.
func (e *command) timeline(ctx context.Context, c *client.Client, f client.Filter) error {
	found, more, err := e.newest(ctx, c, f)
	if err != nil {
		return err
	}
	line := newTimeline(found)
	if len(line) == 0 {
		e.sayNone(f)
		return nil
	}
	whole := !more && len(f.Kinds) == 0 && f.Since.IsZero() && f.Until.IsZero() && f.FromSeq == 0 && f.ToSeq == 0
	_, err = e.streams.Out.Write(e.format.timeline(line, whole))
	e.sayMore(more)
	return err
}

// timeline returns the output. whole says that the line has all events of its
// session, so that missing kinds can be named.
func (f eventFormat) timeline(line []moment, whole bool) []byte {
	var out []byte
	people := !f.json && !f.raw
	if people {
		out = append(out, f.heading(line)...)
	}
	for i := range line {
		m := &line[i]
		switch {
		case f.json:
			out = append(out, f.eventJSON(m.Message, m)...)
		case f.raw:
			out = append(out, f.line(m.Message)...)
		default:
			out = append(out, f.momentLine(*m, i == 0)...)
		}
	}
	if absent := missing(line); people && whole && len(absent) > 0 {
		out = fmt.Appendf(out, "%s\n", f.palette.Paint(terminal.Yellow, "not stored, as far as there are events: "+strings.Join(cli.Texts(absent), ", ")))
	}
	return out
}

// heading returns a line such as "session d2fa…: 4 events in 12m4s, 2026-01-31 08:00:00 to
// 08:12:04".
func (f eventFormat) heading(line []moment) string {
	first, last := line[0].event, line[len(line)-1].event
	from, to := first.Time.Local(), last.Time.Local()
	if len(line) == 1 {
		return fmt.Sprintf("session %s: 1 event, %s\n", f.session(line[0]), from.Format(time.DateTime))
	}
	end := to.Format(time.TimeOnly)
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		end = to.Format(time.DateTime)
	}
	return fmt.Sprintf("session %s: %s in %s, %s to %s\n", f.session(line[0]), english.Plural(len(line), "event", ""),
		cli.Span(to.Sub(from)), from.Format(time.DateTime), end)
}

// session returns the session id of an event, which may be a phone number itself.
func (f eventFormat) session(m moment) string {
	subject := m.event.Subject
	if !f.showPII {
		subject = phone.HideAll(subject) // if the rest cannot be told
		if e, err := schema.Decode(redact.Mask(m.Data)); err == nil {
			subject = e.Subject
		}
	}
	return terminal.Printable(subject)
}

// gapWidth is enough for "+59m59s" and "+364d23h".
const gapWidth = 8

// momentLine is a line of tail with the gap before it and the marks behind it.
func (f eventFormat) momentLine(m moment, first bool) string {
	gap := ""
	if !first {
		gap = "+" + cli.Span(m.gap)
	}
	text := fmt.Sprintf("%*s  %s", gapWidth, gap, strings.TrimSuffix(string(f.line(m.Message)), "\n"))
	for _, mark := range m.marks {
		text += "  " + f.palette.Paint(terminal.Yellow, "["+string(mark)+"]")
	}
	return text + "\n"
}
