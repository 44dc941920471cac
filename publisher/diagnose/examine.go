package diagnose

import (
	"context"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Examine asks NATS everything but the probe. It takes at most o.Timeout for each
// question, and asks no more when ctx ends.
func (se *Session) Examine(ctx context.Context) []Check {
	checks := se.examine(ctx)
	for i, c := range checks {
		if c.FixIn == InShell && !strings.Contains(c.Fix, " --js-") { // those of findings have it
			checks[i].Fix = streams.Placed(c.Fix, se.o.Client.NATS)
		}
	}
	return checks
}

func (se *Session) examine(ctx context.Context) []Check {
	checks, usable := se.account(ctx)
	if !usable {
		return append(checks, skipped("JetStream cannot be asked", behindAccount...)...)
	}
	var found []streams.State
	err := se.within(ctx, func(ctx context.Context) (err error) {
		found, err = streams.Inspect(ctx, se.client.Broker(), se.o.Streams)
		return err
	})
	if err != nil {
		checks = append(checks, se.failed("stream", string(se.o.Client.Events), err))
		return append(checks, skipped("the streams cannot be looked at", behindStreams...)...)
	}
	checks = append(checks, se.room(ctx, found)...)
	checks = append(checks, se.streams(found)...)
	events, quarantine := found[0], found[1]
	checks = append(checks, se.copies(events))
	checks = append(checks, se.permissions(ctx, events, quarantine)...)
	checks = append(checks, se.payload(events), se.clock(ctx, events), se.flushing())
	return append(checks, se.consumers(ctx, events)...)
}

// What is asked after the account, and after the streams.
var (
	behindStreams = []string{"replicas", "permissions", "payload", "clock", "sync-interval", "consumers"}
	behindAccount = append([]string{"account", "stream"}, behindStreams...)
)

// SkippedChecks are the lines of Examine when there is no connection.
func SkippedChecks() []Check {
	return skipped("NATS cannot be reached", append([]string{"jetstream"}, behindAccount...)...)
}

func skipped(why string, names ...string) []Check {
	var checks []Check
	for _, name := range names {
		checks = append(checks, check(name, "", Skip, "%s", why))
	}
	return checks
}
