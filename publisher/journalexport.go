package publisher

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
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
	var d PendingDelivery
	err = outbox.Each(ctx, filepath.Join(dataDir, datadir.Journal), func(k outbox.Kept) error {
		if k.Settled {
			return nil
		}
		return d.add(k, fn)
	})
	if err == nil {
		err = d.flush(fn)
	}
	return state, err
}

// add takes the next message; with the first of another entry, the one before is whole.
func (d *PendingDelivery) add(k outbox.Kept, fn func(PendingDelivery) error) error {
	if d.Entry != uint64(k.Entry) {
		if err := d.flush(fn); err != nil {
			return err
		}
		d.Entry = uint64(k.Entry)
	}
	e, err := schema.Decode(k.Data)
	if err != nil {
		d.Damaged = err
		return nil
	}
	e.TestRun = k.Header.Get(schema.HeaderTest)
	d.Events = append(d.Events, e)
	return nil
}

func (d *PendingDelivery) flush(fn func(PendingDelivery) error) error {
	whole := *d
	*d = PendingDelivery{}
	if whole.Entry == 0 {
		return nil
	}
	if whole.Damaged != nil {
		whole.Events = nil
	}
	return fn(whole)
}
