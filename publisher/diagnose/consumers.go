package diagnose

import (
	"context"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// LagLimit has the thresholds above which a consumer is far behind.
type LagLimit struct {
	Pending uint64        // more messages than that are not delivered yet
	Lag     time.Duration // the oldest that is not acknowledged is older
}

// consumers names the durable consumers of the event stream that are far behind.
func (se *Session) consumers(ctx context.Context, events streams.State) []Check {
	const name = "consumers"
	if events.Info == nil {
		return []Check{check(name, "", Skip, "the stream does not exist")}
	}
	var checks []Check
	good := 0
	err := se.within(ctx, func(ctx context.Context) error {
		all, err := se.client.Consumers(ctx, false)
		for _, state := range all {
			if c := se.behind(events.Name, state); c.Status == Pass {
				good++
			} else {
				checks = append(checks, c)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return append(checks, se.failed(name, "", err))
	case len(checks) == 0 && good == 0:
		return []Check{check(name, "", Pass, "no durable consumers")}
	case good > 0:
		checks = append(checks, check(name, "", Pass, "%d up to date", good))
	}
	return checks
}

// behind judges one consumer.
func (se *Session) behind(stream string, c client.ConsumerState) Check {
	line := func(s Status, detail string, args ...any) Check {
		return check("consumers", c.Name, s, detail, args...)
	}
	b := se.o.LagLimit
	idle := c.Waiting == 0 && !c.Bound && c.AckPending == 0
	switch {
	case c.Pending <= b.Pending && c.Lag <= b.Lag:
		return line(Pass, "%d pending", c.Pending)
	case c.Paused:
		return line(Warn, "%d pending, the oldest for %s: it is paused", c.Pending, short(c.Lag)).shell("nats consumer resume %s %s", stream, c.Name)
	case c.Full:
		return line(Warn, "%d pending, the oldest for %s: %d are not acknowledged, and it gets no more before they are", c.Pending, short(c.Lag), c.AckPending).
			shell("nats consumer edit %s %s --max-pending=%d", stream, c.Name, 2*c.Limit)
	case idle:
		return line(Warn, "%d pending, the oldest for %s, and nobody reads: start its service; this shows since when it has not been asked", c.Pending, short(c.Lag)).
			shell("nats consumer info %s %s", stream, c.Name)
	}
	return line(Warn, "%d pending, %d not acknowledged, the oldest for %s: its service is slower than the events", c.Pending, c.AckPending, short(c.Lag)).
		shell("nats consumer info %s %s", stream, c.Name)
}
