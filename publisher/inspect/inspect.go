// Package inspect reads the journals of a data directory without the help of a bridge: what their
// records say, and which messages were not published yet. It changes nothing.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// State is the content of the journals of a data directory, counted record by record.
type State struct {
	ledger.Inspection                    // of the events
	Refused           *ledger.Inspection // of the refused bodies; nil if there is no journal of them
	// Running says that a bridge had the journals open. Its marks reach the disk with
	// the next event, or after about a second: so long the figures may lag.
	Running bool
	PID     int // of that bridge; 0 if it is not known
}

// Sound reports whether every record of both is as it was written and every event is
// accounted for.
func (s *State) Sound() bool {
	return s.Inspection.Sound() && (s.Refused == nil || s.Refused.Sound())
}

// ErrNoJournal: there is no journal in the data directory.
var ErrNoJournal = ledger.ErrNoJournal

// Journals reads every record of the journals in dataDir. It changes
// nothing, needs no NATS, and a bridge may be running on the directory.
func Journals(ctx context.Context, dataDir string, keys *atrest.Keys) (*State, error) {
	running, pid, err := datadir.HeldBy(dataDir)
	if err != nil {
		return nil, err
	}
	events, err := inspectTwice(ctx, filepath.Join(dataDir, datadir.Journal), keys, running)
	if errors.Is(err, ErrNoJournal) {
		return nil, fmt.Errorf("%w in %s: did a bridge with publisher.ack \"journal\" run on this data_dir?", ErrNoJournal, dataDir)
	}
	if err != nil {
		return nil, err
	}
	s := &State{Inspection: *events, Running: running, PID: pid}
	if s.Refused, err = inspectTwice(ctx, filepath.Join(dataDir, datadir.Refused), keys, running); errors.Is(err, ErrNoJournal) {
		err = nil // of an older program, or of a bridge without refusals
	}
	return s, err
}

// inspectTwice looks again at damage in a journal that is being changed: what is
// damaged, is so the second time too.
func inspectTwice(ctx context.Context, dir string, keys *atrest.Keys, running bool) (*ledger.Inspection, error) {
	s, err := ledger.Inspect(ctx, dir, keys)
	if err == nil && running && len(s.Report.Damage) > 0 {
		s, err = ledger.Inspect(ctx, dir, keys)
	}
	return s, err
}
