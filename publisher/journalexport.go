package publisher

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/schema"
)

// PendingDelivery is an entry of a journal that was not published, as far as
// the journal knows.
type PendingDelivery struct {
	Entry  uint64         // its number in the journal
	Events []schema.Event // of one request, in its order; Raw or RawBase64 is what was received
	// Damaged says why the entry cannot be read. Then there are no events.
	Damaged error
}

// EachPending calls fn with the pending entries of the journal in dataDir, in
// their order, and returns what the whole journal says: an entry that is lost in
// damage is known only from its Damage. Nothing is changed, and no NATS is needed.
//
// A bridge may not run on the directory, and none can start on it meanwhile: what
// it published while we read would be taken for pending.
func EachPending(ctx context.Context, dataDir string, fn func(PendingDelivery) error) (*JournalState, error) {
	release, err := datadir.Block(dataDir)
	var busy *datadir.LockedError
	if errors.As(err, &busy) {
		return nil, fmt.Errorf("%w; it publishes what is pending by itself: stop it first", err)
	}
	if err != nil {
		return nil, err
	}
	defer release()
	state, err := InspectJournal(ctx, dataDir)
	if err != nil {
		return nil, err
	}
	_, err = journal.Scan(filepath.Join(dataDir, datadir.Journal), nil, func(r journal.Record) error {
		if r.Type != journal.Entry || r.Seq <= state.Done {
			return ctx.Err()
		}
		return errors.Join(ctx.Err(), fn(pendingDelivery(r)))
	})
	return state, err
}

func pendingDelivery(r journal.Record) PendingDelivery {
	d := PendingDelivery{Entry: uint64(r.Seq)}
	msgs, err := decodeEntry(r.Payload)
	for i := 0; err == nil && i < len(msgs); i++ {
		var e schema.Event
		if e, err = schema.Decode(msgs[i].Data); err == nil {
			if run := msgs[i].Header[schema.HeaderTest]; len(run) > 0 {
				e.TestRun = run[0]
			}
			d.Events = append(d.Events, e)
		}
	}
	if err != nil {
		return PendingDelivery{Entry: d.Entry, Damaged: err}
	}
	return d
}
