package diagnose

import (
	"context"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Examine asks NATS everything but the probe. It takes at most o.Timeout for each
// question, and asks no more when ctx ends.
func (v *Visit) Examine(ctx context.Context) []Check {
	checks := v.examine(ctx)
	for i, c := range checks {
		if c.FixIn == InShell && !strings.Contains(c.Fix, " --js-") { // those of findings have it
			checks[i].Fix = streams.Placed(c.Fix, v.o.Client.NATS)
		}
	}
	return checks
}

func (v *Visit) examine(ctx context.Context) []Check {
	checks, usable := v.account(ctx)
	if !usable {
		return append(checks, skipped("JetStream cannot be asked", behindAccount...)...)
	}
	var found []streams.State
	err := v.within(ctx, func(ctx context.Context) (err error) {
		found, err = streams.Inspect(ctx, v.client.Broker(), v.o.Streams)
		return err
	})
	if err != nil {
		checks = append(checks, v.failed("stream", string(v.o.Client.Events), err))
		return append(checks, skipped("the streams cannot be looked at", behindStreams...)...)
	}
	checks = append(checks, v.room(ctx, found)...)
	checks = append(checks, v.streams(found)...)
	events, quarantine := found[0], found[1]
	checks = append(checks, v.copies(events))
	checks = append(checks, v.permissions(ctx, events, quarantine)...)
	checks = append(checks, v.payload(events), v.clock(ctx, events), v.flushing())
	return append(checks, v.consumers(ctx, events)...)
}

// What is asked after the account, and after the streams.
var (
	behindStreams = []string{"replicas", "permissions", "payload", "clock", "sync-interval", "consumers"}
	behindAccount = append([]string{"account", "stream"}, behindStreams...)
)

// Unasked are the lines of Examine when there is no connection.
func Unasked() []Check {
	return skipped("NATS cannot be reached", append([]string{"jetstream"}, behindAccount...)...)
}

func skipped(why string, names ...string) []Check {
	var checks []Check
	for _, name := range names {
		checks = append(checks, check(name, "", Skip, "%s", why))
	}
	return checks
}
