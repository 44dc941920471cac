package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/schema"
)

// JournalState is what the records of a journal say, counted one by one.
type JournalState struct {
	Account
	journal.Report
	Done           journal.Seq // entries up to it are settled
	PendingEntries int64
	Oldest         time.Time // when the oldest pending event was received; zero if none is pending
	Entries        int64     // records that were read
	Marks          int64
	Checkpoints    int64
	// Problems are records that are whole, and do not fit the others. There are none
	// unless this program has a defect, or somebody changed the files.
	Problems []string
	// Running says that a bridge had the journal open. Its marks reach the disk with
	// the next event, or after about a second: so long the figures may lag.
	Running bool
	PID     int // of that bridge; 0 if it is not known
}

// Sound reports whether every record is as it was written and every event is
// accounted for.
func (s *JournalState) Sound() bool {
	return len(s.Damage) == 0 && len(s.Problems) == 0 && s.Unaccounted == 0
}

// ErrNoJournal: there is no journal in the data directory.
var ErrNoJournal = errors.New("there is no journal")

// InspectJournal reads every record of the journal in dataDir. It changes
// nothing, needs no NATS, and a bridge may be running on the directory.
func InspectJournal(ctx context.Context, dataDir string) (*JournalState, error) {
	dir := filepath.Join(dataDir, datadir.Journal)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: did a bridge with publisher.ack \"journal\" run on this data_dir?", ErrNoJournal, dataDir)
	}
	running, pid, err := datadir.HeldBy(dataDir)
	if err != nil {
		return nil, err
	}
	s, err := inspect(ctx, dir)
	if err == nil && running && len(s.Damage) > 0 {
		// What is being changed under the reader may look damaged. Damage is there
		// the second time too.
		s, err = inspect(ctx, dir)
	}
	if err != nil {
		return nil, err
	}
	s.Running, s.PID = running, pid
	return s, nil
}

func inspect(ctx context.Context, dir string) (*JournalState, error) {
	var t tally
	report, err := journal.Scan(dir, nil, func(r journal.Record) error {
		t.add(r)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	s := &JournalState{Report: report}
	s.Account, s.PendingEntries = t.finish(report)
	s.Done = t.done
	s.Entries, s.Marks, s.Checkpoints = t.entries, t.marks, t.checkpoints
	s.Problems = t.problems
	if t.moreProblems > 0 {
		s.Problems = append(s.Problems, fmt.Sprintf("and %d more", t.moreProblems))
	}
	if s.PendingEntries > 0 {
		s.Oldest, err = received(ctx, dir, t.done)
	}
	return s, err
}

var errFound = errors.New("found")

// received returns when the first event behind the entry done was received.
func received(ctx context.Context, dir string, done journal.Seq) (at time.Time, err error) {
	_, err = journal.Scan(dir, nil, func(r journal.Record) error {
		if r.Type != journal.Entry || r.Seq <= done {
			return ctx.Err()
		}
		msgs, err := decodeEntry(r.Payload)
		if err != nil {
			return nil // it is among the problems
		}
		if e, err := schema.Decode(msgs[0].Data); err == nil {
			at = e.ReceivedTime
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return at, err
}
