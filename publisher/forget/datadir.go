package forget

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/control"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/erase"
	"github.com/treble-bridge/treble-bridge/schema"
)

// beyondRetain is the time that a copy can stay in a journal beyond journal.retain: its
// segment is left and removed within that time.
const beyondRetain = time.Minute

// DataDir is the data directory of a bridge of this host, which may run or not.
type DataDir struct {
	path   string
	keys   *atrest.Keys
	stream schema.StreamName // of the events
	stays  time.Duration
	client *http.Client
}

// OpenDataDir opens the data directory of the bridge whose events are in stream; retain is
// its journal.retain, which a running bridge knows better; keys open what is encrypted. It returns nil if no bridge
// ever ran on the directory. It is an error if one runs that cannot be reached, or if
// its files are another user's.
func OpenDataDir(ctx context.Context, path string, keys *atrest.Keys, stream schema.StreamName, retain time.Duration) (*DataDir, error) {
	if !datadir.Used(path) {
		return nil, nil
	}
	d := &DataDir{path: path, keys: keys, stream: stream, stays: retain + beyondRetain, client: control.Client(path)}
	switch told, err := ask(ctx, d.client, request{}); {
	case err == nil:
		d.stays = told.Retain + beyondRetain
	case !errors.Is(err, control.ErrNobody):
		return nil, err
	default:
		if running, pid, err := datadir.HeldBy(path); err != nil {
			return nil, err
		} else if running {
			return nil, errUnreachable(path, pid)
		}
	}
	return d, d.checkOwner()
}

// Running reports whether a bridge runs on it now.
func (d *DataDir) Running() bool {
	running, _, err := datadir.HeldBy(d.path)
	return running || err != nil
}

// CopyStays returns the longest time that a copy of a published message stays in a journal, of
// time in which a bridge runs and NATS takes what it publishes.
func (d *DataDir) CopyStays() time.Duration { return d.stays }

// checkOwner sees to it that a bridge can still read its files afterwards.
func (d *DataDir) checkOwner() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && !d.Running() && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("data_dir %s belongs to user id %d: run this as that user, or what is written to it cannot be read by the bridge", d.path, owner.Uid)
	}
	return nil
}

func errUnreachable(path string, pid int) error {
	who := "a bridge"
	if pid > 0 {
		who = fmt.Sprintf("the bridge with pid %d", pid)
	}
	return fmt.Errorf("%s runs on %s and cannot be asked to forget (its log says why %s is missing): stop it, and run this again", who, path, datadir.Control)
}

// note has it noted on stable storage that messages are removed from the streams on
// purpose, or the bridge would publish them again after a restart of NATS.
func (d *DataDir) note(ctx context.Context, copies []location) error {
	for len(copies) > 0 {
		n := min(len(copies), maxSequences)
		removed := map[string][]uint64{}
		for _, p := range copies[:n] {
			removed[d.streamOf(p)] = append(removed[d.streamOf(p)], p.sequence)
		}
		copies = copies[n:]
		_, err := ask(ctx, d.client, request{Removed: removed})
		if errors.Is(err, control.ErrNobody) {
			err = erase.NoteRemoved(d.path, d.stream, removed)
			if locked, ok := errors.AsType[*datadir.LockedError](err); ok {
				err = errUnreachable(d.path, locked.PID)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// NoteRefused tells the bridge that refused bodies are removed from the quarantine on
// purpose, by their sequences there, so that it does not take them for a loss. It returns
// when that is on stable storage.
func (d *DataDir) NoteRefused(ctx context.Context, seqs ...uint64) error {
	return d.note(ctx, locations(true, seqs))
}

// NoteEvents does the same as NoteRefused, for events, by their sequences in the event stream.
func (d *DataDir) NoteEvents(ctx context.Context, seqs ...uint64) error {
	return d.note(ctx, locations(false, seqs))
}

func locations(refused bool, seqs []uint64) (all []location) {
	for _, seq := range seqs {
		all = append(all, location{refused: refused, sequence: seq})
	}
	return all
}

func (d *DataDir) streamOf(p location) string {
	if p.refused {
		return d.stream.Quarantine()
	}
	return string(d.stream)
}
