package inspect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// EachPending calls fn with the messages in the journals in dataDir that were not published, as
// far as the journals know: the events first, then the refused bodies, each in their order. What
// cannot be read as messages is damaged. It returns what the whole journals say: an entry
// that is lost in damage is known only from their Damage. Nothing is changed, and no NATS is needed.
//
// A bridge may not run on the directory, and none can start on it meanwhile: what
// it published while we read would be taken for pending.
func EachPending(ctx context.Context, dataDir string, keys *atrest.Keys, fn func(setaside.Message) error) (*State, error) {
	release, err := datadir.Block(dataDir)
	if _, ok := errors.AsType[*datadir.LockedError](err); ok {
		return nil, fmt.Errorf("%w; it publishes what is pending by itself: stop it first", err)
	}
	if err != nil {
		return nil, err
	}
	defer release()
	state, err := Journals(ctx, dataDir, keys)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{datadir.Journal, datadir.Refused} {
		err = ledger.Each(ctx, filepath.Join(dataDir, dir), keys, func(k ledger.JournaledMessage) error {
			switch {
			case k.Settled:
				return nil
			case k.Subject == "":
				return fn(setaside.Message{Damaged: fmt.Errorf("entry %d of %s cannot be read as messages", k.Entry, dir)})
			}
			return fn(setaside.MessageOf(setaside.Entry{Message: k.Message, Reason: setaside.Pending, Time: k.Accepted}))
		})
		if err != nil {
			return state, err
		}
	}
	return state, nil
}
