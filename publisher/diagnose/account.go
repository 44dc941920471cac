package diagnose

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// account asks whether there is JetStream, and reports whether it can be asked on.
func (se *Session) account(ctx context.Context) ([]Check, bool) {
	err := se.within(ctx, func(ctx context.Context) error {
		_, err := se.js.AccountInfo(ctx)
		return err
	})
	const name = "jetstream"
	switch {
	case err == nil:
		return []Check{check(name, "", Pass, "enabled for this account")}, true
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return []Check{check(name, "", Fail, "not enabled for the account of these credentials; nothing can be stored").server("jetstream: enabled  # in the account")}, false
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		if key, _ := se.o.Client.NATS.Place(); key != "" { // the server beside the bridge may well have none
			return []Check{se.failed(name, "", se.o.Client.NATS.ExplainNoResponders(err)).set(key, "<a domain, or a prefix, that a server of your NATS has>")}, false
		}
		return []Check{check(name, "", Fail, "not enabled on this server; nothing can be stored").server("jetstream: {store_dir: /var/lib/nats}")}, false
	}
	return []Check{se.failed(name, "", err)}, false
}

// nearlyFull is the share of an account's storage from which on it is time.
const nearlyFull = 0.9

// room holds the limits of the account against what the bridge still needs.
func (se *Session) room(ctx context.Context, found []streams.State) []Check {
	var info *jetstream.AccountInfo
	err := se.within(ctx, func(ctx context.Context) (err error) {
		info, err = se.js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return []Check{se.failed("account", "", err)}
	}
	r := room{tier: info.Tier, copies: int64(se.o.Streams.Replicas)}
	if t, ok := info.Tiers[fmt.Sprintf("R%d", r.copies)]; ok {
		r.tier, r.copies = t, 1 // the limits of a tier are for one copy
	}
	missing, err := se.missing(ctx, found)
	if err != nil {
		return []Check{se.failed("account", "", err)}
	}
	for _, a := range missing {
		if a.Lazy {
			r.later++
			r.reserve += max(a.MaxBytes, 0) * r.copies
		} else {
			r.missing++
			r.needed += max(a.MaxBytes, 0) * r.copies
		}
		r.largest = max(r.largest, a.MaxBytes)
		if a.MaxBytes <= 0 && a.BytesKey != "publisher.replay_max_bytes" { // which bounds itself where it must
			r.unbounded = append(r.unbounded, a.BytesKey)
		}
	}
	return []Check{r.streams(), r.storage(), r.consumers(found[0])}
}

// missing are the streams and buckets that the bridge or a command will make.
func (se *Session) missing(ctx context.Context, found []streams.State) ([]streams.Asset, error) {
	var missing []streams.Asset
	for i, a := range se.o.Streams.Assets() {
		if i < len(found) { // looked at already, and with the size that it is made with
			if a.MaxBytes = found[i].MaxBytes; found[i].Info == nil {
				missing = append(missing, a)
			}
			continue
		}
		err := se.within(ctx, func(ctx context.Context) error {
			_, err := se.js.Stream(ctx, a.Stream)
			return err
		})
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			missing = append(missing, a)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// room compares the limits of an account with the needs of the streams that do not exist yet.
type room struct {
	tier      jetstream.Tier
	copies    int64
	missing   int
	needed    int64    // bytes that they reserve, with all copies
	later     int      // streams that a command makes when it needs them
	reserve   int64    // bytes that those reserve
	largest   int64    // of them, one copy
	unbounded []string // keys of those that have no limit
}

func (r room) streams() Check {
	have, limit := r.tier.Streams, r.tier.Limits.MaxStreams
	switch {
	case limit <= 0:
		return check("account", "streams", Pass, "%d, no limit", have)
	case have+r.missing > limit:
		return check("account", "streams", Fail, "%d of %d, and the bridge needs %d more", have, limit, r.missing).
			server("max_streams: %d  # in jetstream of the account", have+r.missing+r.later)
	case have+r.missing+r.later > limit:
		return check("account", "streams", Warn, "%d of %d, and the commands (replay, forget, quarantine drop) make %d more when they need them", have+r.missing, limit, r.later).
			server("max_streams: %d  # in jetstream of the account", have+r.missing+r.later)
	}
	return check("account", "streams", Pass, "%d of %d", have, limit)
}

func (r room) storage() Check {
	l := r.tier.Limits
	used := int64(max(r.tier.Store, r.tier.ReservedStore))
	const where = "# in jetstream of the account"
	line := func(s Status, detail string, args ...any) Check {
		return check("account", "storage", s, detail, args...)
	}
	switch {
	case l.MaxBytesRequired && len(r.unbounded) > 0:
		return line(Fail, "the account takes only streams with a limit, and %s is 0", r.unbounded[0]).set(r.unbounded[0], streams.SuggestedBytes)
	case l.StoreMaxStreamBytes > 0 && r.largest > l.StoreMaxStreamBytes:
		return line(Fail, "a stream may hold %s, and the bridge makes one of %s", value.FormatBytes(l.StoreMaxStreamBytes), value.FormatBytes(r.largest)).
			server("disk_max_stream_bytes: %d  %s", r.largest, where)
	case l.MaxStore < 0:
		return line(Pass, "%s used or reserved, no limit", value.FormatBytes(used))
	case used+r.needed > l.MaxStore:
		return line(Fail, "%s of %s used or reserved, and the streams that the bridge makes reserve %s", value.FormatBytes(used), value.FormatBytes(l.MaxStore), value.FormatBytes(r.needed)).
			server("max_file: %d  %s", used+r.needed+r.reserve, where)
	case used >= l.MaxStore:
		return line(Fail, "%s of %s used or reserved: nothing more is stored", value.FormatBytes(used), value.FormatBytes(l.MaxStore)).server("max_file: %d  %s", 2*l.MaxStore, where)
	case used+r.needed+r.reserve > l.MaxStore:
		return line(Warn, "%s of %s used or reserved, and what commands (replay, forget, quarantine drop) make when they need it reserves %s", value.FormatBytes(used+r.needed), value.FormatBytes(l.MaxStore), value.FormatBytes(r.reserve)).
			server("max_file: %d  %s", used+r.needed+r.reserve, where)
	case float64(r.tier.Store) > nearlyFull*float64(l.MaxStore):
		return line(Warn, "%s of %s used: soon nothing more is stored", value.FormatBytes(r.tier.Store), value.FormatBytes(l.MaxStore)).server("max_file: %d  %s", 2*l.MaxStore, where)
	}
	return line(Pass, "%s of %s used or reserved", value.FormatBytes(used), value.FormatBytes(l.MaxStore))
}

// consumers holds the limit of the account, which counts for each stream, against those of the
// event stream.
func (r room) consumers(events streams.State) Check {
	limit := r.tier.Limits.MaxConsumers
	switch {
	case limit <= 0:
		return check("account", "consumers", Pass, "no limit")
	case events.Info == nil:
		return check("account", "consumers", Pass, "%d for each stream", limit)
	case events.Info.State.Consumers >= limit:
		return check("account", "consumers", Warn, "%d of %d in stream %s: another service is refused, and the bridge and its commands read it message by message",
			events.Info.State.Consumers, limit, events.Name).server("max_consumers: %d  # in jetstream of the account", 2*limit)
	}
	return check("account", "consumers", Pass, "%d of %d in stream %s", events.Info.State.Consumers, limit, events.Name)
}
