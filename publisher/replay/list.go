package replay

import (
	"context"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Listed is a run as it may be shown to anybody.
type Listed struct {
	Run      string
	State    string // one of audit.Running, …
	Who      string
	Began    time.Time
	Updated  time.Time
	Ended    time.Time // zero: it runs, or was killed
	Filter   string    // in words, without the values that name a person
	Target   string    // in words, without credentials
	Total    int64     // events chosen; -1: not counted
	Replayed int64
	Skipped  int64 // messages that are no events
	Problem  string
}

// List returns the runs there were, the oldest first.
func List(ctx context.Context, c *client.Client, spec streams.Spec) ([]Listed, error) {
	bucket, err := audit.Open(ctx, c, spec)
	if err != nil {
		return nil, err
	}
	records, err := bucket.List(ctx, Action)
	if err != nil {
		return nil, err
	}
	var all []Listed
	for _, r := range records {
		d, err := decodeDetail(r)
		if err != nil {
			return nil, err
		}
		l := Listed{Run: r.Run, State: r.State, Who: r.Who, Began: r.Began, Updated: r.Updated, Ended: r.Ended,
			Filter: d.Filter.words(), Target: d.Target.words(), Total: -1, Replayed: r.Counts["replayed"], Skipped: r.Counts["skipped"], Problem: r.Problem}
		if total, ok := r.Counts["total"]; ok {
			l.Total = total
		}
		all = append(all, l)
	}
	return all, nil
}
