package diagnose

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
)

// Behind is from when on a consumer is far behind.
type Behind struct {
	Pending uint64        // more messages than that are not delivered yet
	Lag     time.Duration // the oldest that is not acknowledged is older
}

// mostConsumers are looked at; a stream with more has them made by a program.
const mostConsumers = 500

// consumers names the durable consumers of the event stream that are far behind.
func (v *Visit) consumers(ctx context.Context, events publisher.StreamState) []Check {
	const name = "consumers"
	if events.Info == nil {
		return []Check{check(name, "", Skip, "the stream does not exist")}
	}
	var checks []Check
	good := 0
	err := v.within(ctx, func(ctx context.Context) error {
		s, err := v.js.Stream(ctx, events.Name)
		if err != nil {
			return err
		}
		list := s.ListConsumers(ctx)
		for info := range list.Info() {
			if info.Config.Durable == "" || good+len(checks) >= mostConsumers {
				continue // that of a tail, or a reader that comes and goes
			}
			lag, err := v.lag(ctx, s, info)
			if err != nil {
				return err
			}
			if c := v.behind(info, lag); c.Status == Pass {
				good++
			} else {
				checks = append(checks, c)
			}
		}
		return list.Err()
	})
	switch {
	case err != nil:
		return append(checks, v.failed(name, "", err))
	case len(checks) == 0 && good == 0:
		return []Check{check(name, "", Pass, "no durable consumers")}
	case good > 0:
		checks = append(checks, check(name, "", Pass, "%d up to date", good))
	}
	return checks
}

// lag is the age of the oldest message that a consumer has still to acknowledge.
func (v *Visit) lag(ctx context.Context, s jetstream.Stream, info *jetstream.ConsumerInfo) (time.Duration, error) {
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return 0, nil
	}
	filters := append([]string{}, info.Config.FilterSubjects...)
	if info.Config.FilterSubject != "" {
		filters = append(filters, info.Config.FilterSubject)
	}
	if len(filters) == 0 {
		filters = []string{">"}
	}
	var oldest time.Time
	for _, f := range filters {
		m, err := s.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(f))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if oldest.IsZero() || m.Time.Before(oldest) {
			oldest = m.Time
		}
	}
	if oldest.IsZero() {
		return 0, nil
	}
	return max(v.o.time().Sub(oldest), 0), nil
}

// behind judges one consumer.
func (v *Visit) behind(info *jetstream.ConsumerInfo, lag time.Duration) Check {
	of, stream := info.Name, info.Stream
	line := func(s Status, detail string, args ...any) Check { return check("consumers", of, s, detail, args...) }
	limit, b := info.Config.MaxAckPending, v.o.Behind
	far := info.NumPending > b.Pending || lag > b.Lag
	idle := info.NumWaiting == 0 && !info.PushBound && info.NumAckPending == 0
	switch {
	case !far:
		return line(Pass, "%d pending", info.NumPending)
	case info.Paused:
		return line(Warn, "%d pending, the oldest for %s: it is paused", info.NumPending, short(lag)).shell("nats consumer resume %s %s", stream, of)
	case limit > 0 && info.NumAckPending >= limit:
		return line(Warn, "%d pending, the oldest for %s: %d are not acknowledged, and it gets no more before they are", info.NumPending, short(lag), info.NumAckPending).
			shell("nats consumer edit %s %s --max-pending=%d", stream, of, 2*limit)
	case idle:
		return line(Warn, "%d pending, the oldest for %s, and nobody reads: start its service, or remove it if nobody needs it", info.NumPending, short(lag)).
			shell("nats consumer rm %s %s", stream, of)
	}
	return line(Warn, "%d pending, %d not acknowledged, the oldest for %s: its service is slower than the events", info.NumPending, info.NumAckPending, short(lag)).
		shell("nats consumer info %s %s", stream, of)
}
