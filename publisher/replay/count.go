package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// Count returns how many events the run chooses, those replayed before included. The
// server counts where it can, unless Options.Exact; it counts messages, of which Do skips
// what is no event. Else every message is read once, and step called for each event.
func (r *Run) Count(ctx context.Context, step func()) (int64, error) {
	n, err := r.count(ctx, step)
	if r.spec.Limit > 0 {
		n = min(n, r.spec.Limit)
	}
	r.total = n
	return n, err
}

func (r *Run) count(ctx context.Context, step func()) (int64, error) {
	f := r.spec.Filter
	f.ToSeq = r.detail.End
	if f.ToSeq < max(1, f.FromSeq) {
		return 0, nil
	}
	if !r.opts.Exact && r.spec.Filter.CountedByServer() {
		n, err := r.serverCount(ctx, f)
		if !client.RefusesConsumer(err) {
			return n, err
		}
	}
	var n int64
	r.skipped = 0
	for _, err := range r.client.Select(ctx, f, &r.skipped) {
		if err != nil {
			return n, err
		}
		n++
		step()
		if r.spec.Limit > 0 && n >= r.spec.Limit {
			break
		}
	}
	return n, nil
}

// serverCount is the difference of what is pending for two consumers, one at the
// first message and one behind the last.
func (r *Run) serverCount(ctx context.Context, f client.Filter) (int64, error) {
	first := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	if f.FromSeq > 0 {
		first.DeliverPolicy, first.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.FromSeq
	} else if !f.Since.IsZero() {
		first.DeliverPolicy, first.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.Since
	}
	behind := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.ToSeq + 1}
	if !f.Until.IsZero() && f.Until.Before(time.Now()) { // else the end comes first
		behind = jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &f.Until}
	}
	for {
		before, err := r.pending(ctx, f, behind)
		if err != nil {
			return 0, err
		}
		all, err := r.pending(ctx, f, first)
		if err != nil {
			return 0, err
		}
		after, err := r.pending(ctx, f, behind)
		if err != nil {
			return 0, err
		}
		// Events that were stored between the two would be counted once.
		if before == after {
			return max(0, all-before), nil
		}
	}
}

func (r *Run) pending(ctx context.Context, f client.Filter, cfg jetstream.ConsumerConfig) (int64, error) {
	cfg.AckPolicy, cfg.MemoryStorage, cfg.Replicas, cfg.InactiveThreshold = jetstream.AckNonePolicy, true, 1, alive
	cfg.FilterSubjects = f.Subjects(r.client.Prefix())
	name := string(r.client.Events())
	c, err := r.client.JetStream().CreateConsumer(ctx, name, cfg)
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	n := int64(c.CachedInfo().NumPending)
	if err := r.client.JetStream().DeleteConsumer(ctx, name, c.CachedInfo().Name); err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return n, nil
}
