package forget

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/control"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// DataDir is the data directory of a bridge of this host, which may run or not.
type DataDir struct {
	path   string
	client *http.Client
}

// OpenDataDir returns nil if no bridge ever ran on the directory. It is an error if
// one runs that cannot be reached, or if its files are another user's.
func OpenDataDir(ctx context.Context, path string, p *Person) (*DataDir, error) {
	if !datadir.Used(path) {
		return nil, nil
	}
	d := &DataDir{path: path, client: control.Client(path)}
	if _, err := d.Waiting(ctx, p); err != nil {
		return nil, err
	}
	return d, d.checkOwner()
}

// Running reports whether a bridge runs on it now.
func (d *DataDir) Running() bool {
	running, _, err := datadir.HeldBy(d.path)
	return running || err != nil
}

// checkOwner sees to it that a bridge can still read its files afterwards.
func (d *DataDir) checkOwner() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && !d.Running() && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("data_dir %s belongs to user id %d: run this as that user, or what is written anew cannot be read by the bridge", d.path, owner.Uid)
	}
	return nil
}

// Each calls fn with every message in it.
func (d *DataDir) Each(ctx context.Context, fn func(publisher.Kept) error) error {
	return publisher.EachKept(ctx, d.path, fn)
}

// Waiting is how many refused bodies of the person a running bridge has in memory.
func (d *DataDir) Waiting(ctx context.Context, p *Person) (int64, error) {
	n, err := ask(ctx, d.client, p, doorRequest{})
	if !errors.Is(err, control.ErrNobody) {
		return n.Waiting, err
	}
	if running, pid, err := datadir.HeldBy(d.path); err != nil {
		return 0, err
	} else if running {
		return 0, errUnreachable(d.path, pid)
	}
	return 0, nil
}

func errUnreachable(path string, pid int) error {
	who := "a bridge"
	if pid > 0 {
		who = fmt.Sprintf("the bridge with pid %d", pid)
	}
	return fmt.Errorf("%s runs on %s and cannot be asked to forget (its log says why %s is missing): stop it, and run this again", who, path, datadir.Control)
}

// Erase erases the person's messages, or only those of which just the session tells
// that they are. A running bridge does it itself, and waits as long as it is told
// for what is not published yet.
func (d *DataDir) Erase(ctx context.Context, p *Person, onlySession bool, wait time.Duration) (publisher.Erased, error) {
	n, err := ask(ctx, d.client, p, doorRequest{Erase: true, OnlySession: onlySession, Wait: wait})
	if !errors.Is(err, control.ErrNobody) {
		return n, err
	}
	s, err := publisher.OpenStopped(d.path)
	if errors.Is(err, publisher.ErrInUse) {
		return publisher.Erased{}, errUnreachable(d.path, 0)
	}
	if err != nil {
		return publisher.Erased{}, err
	}
	n, err = s.Erase(ctx, p.Meant(onlySession))
	return n, errors.Join(err, s.Close())
}
