package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// The places of a data directory in which messages are.
const (
	PlaceJournal  = "journal"
	PlaceSetAside = "set_aside"
	PlaceDamaged  = "damaged" // copies of damaged bytes of the journal
)

// Kept is a message that a data directory keeps.
type Kept struct {
	Place   string // PlaceJournal, …
	Subject string
	Header  map[string][]string
	Data    []byte // of damaged bytes and files, all of them
}

// EachKept calls fn with every message in the journal, published or not, and in
// the set-aside, and with damaged bytes that were kept. Nothing is changed, and a
// bridge may be running on the directory. What was erased is not shown.
func EachKept(ctx context.Context, dataDir string, fn func(Kept) error) error {
	dir := filepath.Join(dataDir, datadir.Journal)
	if _, err := os.Stat(dir); err == nil {
		_, err := journal.Scan(dir, nil, func(r journal.Record) error {
			return errors.Join(ctx.Err(), eachInRecord(r, fn))
		})
		if err != nil {
			return err
		}
	}
	for _, f := range keptFiles(dataDir) {
		err := f.each(func(name string, b []byte) error {
			k := Kept{Place: f.place, Data: b}
			if e, err := setaside.Decode(b); err == nil && f.place == PlaceSetAside {
				k.Subject, k.Header, k.Data = e.Subject, e.Header, e.Data
			}
			return errors.Join(ctx.Err(), fn(k))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func eachInRecord(r journal.Record, fn func(Kept) error) error {
	if r.Type != journal.Entry {
		return nil
	}
	msgs, err := decodeEntry(r.Payload)
	if err != nil {
		return fn(Kept{Place: PlaceJournal, Data: r.Payload})
	}
	for _, m := range msgs {
		if m.Erased {
			continue
		}
		if err := fn(Kept{Place: PlaceJournal, Subject: m.Subject, Header: m.Header, Data: m.Data}); err != nil {
			return err
		}
	}
	return nil
}

// fileSet is a directory of files that each are a message, or damaged bytes.
type fileSet struct{ place, dir string }

func keptFiles(dataDir string) []fileSet {
	return []fileSet{
		{PlaceSetAside, filepath.Join(dataDir, datadir.SetAside)},
		{PlaceDamaged, filepath.Join(dataDir, datadir.Journal, datadir.Damaged)},
	}
}

// each calls fn with each file, also with what a crash left half written. A file
// that is gone meanwhile is passed over.
func (s fileSet) each(fn func(name string, b []byte) error) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = fn(entry.Name(), b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eraser erases in a data directory. Nothing is published from it meanwhile.
type eraser struct {
	dataDir string
	books   *books // nil if there is no journal
}

func (e *eraser) erase(ctx context.Context, meant Meant) (done Erased, err error) {
	err = EachKept(ctx, e.dataDir, func(k Kept) error {
		meant(k.Subject, k.Header, k.Data) // it may learn
		return nil
	})
	if err == nil && e.books != nil {
		err = e.eraseJournal(ctx, meant, &done)
	}
	for _, f := range keptFiles(e.dataDir) {
		n, filesErr := f.erase(ctx, meant)
		if err = errors.Join(err, filesErr); f.place == PlaceSetAside {
			done.SetAside += n
		} else {
			done.Damaged += n
		}
	}
	return done, err
}

func (e *eraser) eraseJournal(ctx context.Context, meant Meant, done *Erased) error {
	chosen := func(m broker.Message) bool { return meant(m.Subject, m.Header, m.Data) }
	settled := e.books.ledger.settledUpTo()
	n, err := e.books.journal.Erase(ctx, journal.Eraser{
		Chosen: func(seq journal.Seq, payload []byte) bool {
			if seq == 0 {
				return meant("", nil, payload)
			}
			_, n := eraseEntry(payload, chosen)
			return seq <= settled && n > 0
		},
		Erased: func(_ journal.Seq, payload []byte) []byte {
			erased, n := eraseEntry(payload, chosen)
			done.Journal += n
			return erased
		},
	})
	done.Damaged += n.Damage
	if err != nil || e.books.journal.Stats().Last <= settled {
		return err
	}
	_, err = journal.Scan(filepath.Join(e.dataDir, datadir.Journal), nil, func(r journal.Record) error {
		if r.Seq <= settled {
			return ctx.Err()
		}
		return eachInRecord(r, func(k Kept) error {
			if meant(k.Subject, k.Header, k.Data) {
				done.Pending++
			}
			return ctx.Err()
		})
	})
	return err
}

// erase overwrites and removes the files that are meant.
func (s fileSet) erase(ctx context.Context, meant Meant) (n int64, err error) {
	err = s.each(func(name string, b []byte) error {
		k := Kept{Data: b}
		if e, err := setaside.Decode(b); err == nil && s.place == PlaceSetAside {
			k.Subject, k.Header, k.Data = e.Subject, e.Header, e.Data
		}
		if !meant(k.Subject, k.Header, k.Data) {
			return ctx.Err()
		}
		if err := shred(s.dir, name); err != nil {
			return fmt.Errorf("erase %s: %w", name, err)
		}
		n++
		return ctx.Err()
	})
	return n, err
}

// shred overwrites a file and removes it, and returns when both are on stable
// storage.
func shred(dir, name string) (err error) {
	path := filepath.Join(dir, name)
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
	return datadir.Sync(dir)
}
