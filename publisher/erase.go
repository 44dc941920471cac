package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Meant tells whether a message is of the person who is to be forgotten. Of
// damaged bytes subject and header are empty. Erase shows it each message once
// before the first one is erased, so that it can learn.
type Meant func(subject string, header map[string][]string, data []byte) bool

// Erased is what Erase did in a data directory.
type Erased struct {
	Journal  int64 `json:"journal"`   // events, of which the entry stays, without what it held
	SetAside int64 `json:"set_aside"` // files
	Damaged  int64 `json:"damaged"`   // copies and pieces of damaged journal
	// Pending are messages of the journal that are not published yet. They are left,
	// or what was promised for them would not hold.
	Pending int64 `json:"pending"`
	// Waiting are refused bodies that a running bridge has in memory until NATS takes
	// them. They are left too.
	Waiting int64 `json:"waiting"`
}

// Erase erases the messages that are meant from the journal and the set-aside,
// while events come in. It waits so long until what was accepted before is
// published; what is not by then is left and counted. Publishing stands still
// while it erases, and begins with reconciling. After an error it can be called
// again.
func (p *Publisher) Erase(ctx context.Context, meant Meant, wait time.Duration) (Erased, error) {
	if !p.begin() {
		return Erased{}, errors.New("the bridge is shutting down")
	}
	defer p.inFlight.Done()
	p.erasing.Lock()
	defer p.erasing.Unlock()
	if p.lock == nil { // there is no data directory
		return Erased{Waiting: p.rejected.waiting(meant)}, nil
	}
	e := eraser{dataDir: p.dataDir, books: p.books}
	p.awaitPublished(ctx, meant, wait)
	if p.journal != nil {
		release, err := p.journal.pump.hold(ctx)
		if err != nil {
			return Erased{}, fmt.Errorf("hold up publishing: %w", err)
		}
		defer release()
	}
	done, err := e.erase(ctx, meant)
	p.setAside.Recount()
	done.Waiting = p.rejected.waiting(meant)
	return done, err
}

// Waiting is how many refused bodies that are meant wait in memory for NATS.
func (p *Publisher) Waiting(meant Meant) int64 {
	p.erasing.Lock()
	defer p.erasing.Unlock()
	return p.rejected.waiting(meant)
}

// awaitPublished returns when what the journal holds now is settled and no refused
// body that is meant waits for NATS, or when it may wait no longer.
func (p *Publisher) awaitPublished(ctx context.Context, meant Meant, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last journal.Seq
	if p.books != nil {
		last = p.books.journal.Stats().Last
	}
	for {
		settled := p.books == nil || p.books.ledger.settledUpTo() >= last
		if settled && p.rejected.waiting(meant) == 0 {
			return
		}
		p.mu.Lock()
		closing := p.closing
		p.mu.Unlock()
		if closing {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// waiting returns how many of the queued bodies are meant.
func (q *quarantine) waiting(meant Meant) int64 {
	q.mu.Lock()
	queue := slices.Clone(q.queue) // to look at them takes longer than a refusal may wait
	q.mu.Unlock()
	var n int64
	for _, m := range queue {
		if meant(m.Subject, m.Header, m.Data) {
			n++
		}
	}
	return n
}

// ErrInUse: a bridge runs on the data directory.
var ErrInUse = errors.New("a bridge runs on it")

// Stopped is a data directory on which no bridge runs, nor can start before
// Close.
type Stopped struct {
	lock *datadir.Lock
	eraser
}

// OpenStopped locks a data directory and recovers its journal, as the start of a
// bridge does. If a bridge runs on it, the error is an ErrInUse.
func OpenStopped(dataDir string) (*Stopped, error) {
	lock, err := datadir.Acquire(dataDir)
	var busy *datadir.LockedError
	if errors.As(err, &busy) {
		return nil, fmt.Errorf("data_dir: %w: %w", ErrInUse, err)
	}
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	s := &Stopped{lock: lock, eraser: eraser{dataDir: dataDir}}
	dir := filepath.Join(dataDir, datadir.Journal)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	l := &ledger{}
	j, err := journal.Open(dir, journal.Options{Checkpoint: l.checkpoint, Kept: l.kept}, l.recover)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), lock.Release())
	}
	l.recovered(j.Stats().First)
	s.books = &books{journal: j, ledger: l}
	return s, nil
}

// Erase is Publisher.Erase, without waiting for anything.
func (s *Stopped) Erase(ctx context.Context, meant Meant) (Erased, error) { return s.erase(ctx, meant) }

// Close gives the data directory up.
func (s *Stopped) Close() error {
	var errs []error
	if s.books != nil {
		errs = append(errs, s.books.journal.Close())
	}
	return errors.Join(append(errs, s.lock.Release())...)
}
