package consumers

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// ConsumerJSON is a consumer as scripts read it. Its form is stable.
type ConsumerJSON struct {
	Name        string        `json:"name"`
	Durable     bool          `json:"durable"`
	Push        bool          `json:"push"`
	Subjects    []string      `json:"subjects"`
	Pending     uint64        `json:"pending"`
	AckPending  int           `json:"ack_pending"`
	Redelivered int           `json:"redelivered"`
	Waiting     int           `json:"waiting"`
	Delivered   PositionJSON  `json:"delivered"`
	Acked       PositionJSON  `json:"acked"`
	Oldest      *PositionJSON `json:"oldest"`
	LagMS       int64         `json:"lag_ms"`
	Paused      bool          `json:"paused"`
	Full        bool          `json:"full"`
	Notes       []string      `json:"notes"`
}

// PositionJSON is a sequence of the stream, and when something was last done there.
type PositionJSON struct {
	Sequence uint64     `json:"sequence"`
	At       *time.Time `json:"at"`
}

func newPositionJSON(p client.StreamPosition) PositionJSON {
	v := PositionJSON{Sequence: p.Sequence}
	if !p.At.IsZero() {
		at := p.At.UTC()
		v.At = &at
	}
	return v
}

func newConsumerJSON(s client.ConsumerState) ConsumerJSON {
	v := ConsumerJSON{
		Name: s.Name, Durable: s.Durable, Push: s.Push, Subjects: append([]string{}, s.Subjects...),
		Pending: s.Pending, AckPending: s.AckPending, Redelivered: s.Redelivered, Waiting: s.Waiting,
		Delivered: newPositionJSON(s.Delivered), Acked: newPositionJSON(s.Acked), LagMS: s.Lag.Milliseconds(),
		Paused: s.Paused, Full: s.Full, Notes: notes(s),
	}
	if s.Oldest.Sequence > 0 {
		oldest := newPositionJSON(s.Oldest)
		v.Oldest = &oldest
	}
	return v
}

func (c *command) print(stream string, states []client.ConsumerState, named bool) error {
	if c.json {
		return cli.WriteJSONLines(c.streams.Out, states, newConsumerJSON)
	}
	if len(states) == 0 && named {
		return nil // the error says which are not there
	}
	if len(states) == 0 {
		_, err := fmt.Fprintf(c.streams.Err, "stream %s has no durable consumer; a service makes one for itself, see README.md\n", stream)
		return err
	}
	return printTable(c.streams, states)
}

func printTable(streams cli.Streams, states []client.ConsumerState) error {
	t := terminal.NewTable(streams.Out, "NAME", "PENDING", "UNACKED", "AGAIN", "LAG", "WAITING", "ACKED", "SUBJECTS")
	for _, s := range states {
		t.Row(s.Name, s.Pending, s.AckPending, s.Redelivered, lag(s), waiting(s), acked(s), subjects(s))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	p := terminal.PaletteFor(streams.Out)
	for _, s := range states {
		for _, note := range notes(s) {
			if _, err := fmt.Fprintln(streams.Out, p.Paint(terminal.Yellow, terminal.Printable(s.Name)+": "+note)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lag returns the age of the oldest message that is not acknowledged, - if there is none.
func lag(s client.ConsumerState) string {
	if s.Oldest.Sequence == 0 {
		return "-"
	}
	return cli.Span(s.Lag)
}

// waiting is the number of requests that wait; of a push consumer, whether it has a subscriber.
func waiting(s client.ConsumerState) string {
	switch {
	case !s.Push:
		return strconv.Itoa(s.Waiting)
	case s.Bound:
		return "subscribed"
	}
	return "-"
}

func acked(s client.ConsumerState) string {
	if s.Acked.At.IsZero() {
		return "nothing yet"
	}
	return fmt.Sprintf("%d, %s ago", s.Acked.Sequence, cli.Span(max(0, s.Asked.Sub(s.Acked.At))))
}

func subjects(s client.ConsumerState) string {
	if len(s.Subjects) == 0 {
		return "all"
	}
	return strings.Join(s.Subjects, ", ")
}
