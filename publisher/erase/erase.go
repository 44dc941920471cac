// Package erase finds and removes what a data directory keeps of a person: in the journals, in the
// set-aside, and in copies of damaged bytes. A bridge may be running on the directory.
package erase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Place is a place of a data directory in which messages are.
type Place string

// The places.
const (
	PlaceJournal  Place = "journal" // of events and of refused bodies
	PlaceSetAside Place = "set_aside"
	PlaceDamaged  Place = "damaged" // copies of damaged bytes of the journals
)

// Message is a message that a data directory keeps.
type Message struct {
	Place   Place
	Pending bool // in a journal, and not published yet
	Refused bool // in the journal of refused bodies
	// Entry, of a message in a journal, is the entry that it is in: those of each journal grow.
	Entry uint64
	// Sequence, of a message in a journal, is where the stream is taken to hold it: if it is
	// lost there, it is published again. 0: it is not.
	Sequence uint64
	File     string // its name, if it is one by itself
	Subject  string
	Header   map[string][]string
	Data     []byte // of damaged bytes and files, all of them
}

// MatchFunc reports whether a message is to be erased.
type MatchFunc func(Message) bool

// Each calls fn with every message in the journals, published or not, and in
// the set-aside, and with damaged bytes that were kept. Nothing is changed, and a
// bridge may be running on the directory.
func Each(ctx context.Context, dataDir string, keys *atrest.Keys, fn func(Message) error) error {
	for _, name := range []string{datadir.Journal, datadir.Refused} {
		err := ledger.Each(ctx, filepath.Join(dataDir, name), keys, func(k ledger.JournaledMessage) error {
			return fn(Message{Place: PlaceJournal, Pending: !k.Settled, Refused: name == datadir.Refused, Entry: uint64(k.Entry), Sequence: k.Sequence, Subject: k.Subject, Header: k.Header.Map(), Data: k.Data})
		})
		if err != nil {
			return err
		}
	}
	return eachFile(ctx, dataDir, keys, func(_ string, k Message) error { return fn(k) })
}

// Shred overwrites and removes the files of the set-aside, and the copies of damaged
// bytes, that match, and returns how many there were of each. After one that cannot be
// erased it goes on with the others. A bridge may be running on the directory: it counts
// its files again every 30 seconds.
func Shred(ctx context.Context, dataDir string, keys *atrest.Keys, match MatchFunc) (setAside, damaged int64, err error) {
	var failed error
	err = eachFile(ctx, dataDir, keys, func(path string, k Message) error {
		if !match(k) {
			return nil
		}
		if err := shredFile(path); err != nil {
			failed = errors.Join(failed, fmt.Errorf("erase %s: %w", k.File, err))
			return nil
		}
		if k.Place == PlaceSetAside {
			setAside++
		} else {
			damaged++
		}
		return nil
	})
	return setAside, damaged, errors.Join(failed, err)
}

// eachFile calls fn with each file that is a message, or damaged bytes, also with what a
// crash left half written. A file that is gone meanwhile is passed over.
func eachFile(ctx context.Context, dataDir string, keys *atrest.Keys, fn func(path string, k Message) error) error {
	for _, set := range []struct {
		place Place
		dir   string
	}{
		{PlaceSetAside, datadir.SetAside},
		{PlaceDamaged, filepath.Join(datadir.Journal, datadir.Damaged)},
		{PlaceDamaged, filepath.Join(datadir.Refused, datadir.Damaged)},
	} {
		dir := filepath.Join(dataDir, set.dir)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() {
				continue
			}
			path := filepath.Join(dir, entry.Name())
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			k := Message{Place: set.place, File: filepath.Join(set.dir, entry.Name()), Data: b}
			e, err := setaside.Decode(b, keys)
			if _, missing := errors.AsType[*atrest.MissingKeyError](err); missing {
				return fmt.Errorf("%s: %w", k.File, err)
			}
			if err == nil && set.place == PlaceSetAside {
				k.Subject, k.Header, k.Data = e.Subject, e.Header.Map(), e.Data
			}
			if err := errors.Join(ctx.Err(), fn(path, k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// shredFile overwrites a file and removes it, and returns when both are on stable
// storage.
func shredFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return datadir.Sync(filepath.Dir(path))
}

// NoteRemoved does the same as publisher.Publisher.NoteRemoved, for a data directory on which no
// bridge runs. If one does, the error is a *datadir.LockedError.
func NoteRemoved(dataDir string, events schema.StreamName, removed map[string][]uint64) error {
	lock, err := datadir.Acquire(dataDir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return errors.Join(
		ledger.ForgetIn(filepath.Join(dataDir, datadir.Journal), removed[string(events)]),
		ledger.ForgetIn(filepath.Join(dataDir, datadir.Refused), removed[events.Quarantine()]),
		lock.Release())
}
