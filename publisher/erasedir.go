package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
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

// HasData tells whether a bridge ever ran on a data directory, so that messages may
// be kept in it.
func HasData(dataDir string) bool {
	for _, name := range []string{lockFile, "journal", "set-aside"} {
		if _, err := os.Stat(filepath.Join(dataDir, name)); err == nil {
			return true
		}
	}
	return false
}

// EachKept calls fn with every message in the journal, published or not, and in
// the set-aside, and with damaged bytes that were kept. Nothing is changed, and a
// bridge may be running on the directory. What was erased is not shown.
func EachKept(ctx context.Context, dataDir string, fn func(Kept) error) error {
	dir := filepath.Join(dataDir, "journal")
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
			if e, err := decodeSetAside(b); err == nil && f.place == PlaceSetAside {
				k.Subject, k.Header, k.Data = e.subject, e.header, e.data
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
		if m.erased {
			continue
		}
		if err := fn(Kept{Place: PlaceJournal, Subject: m.subject, Header: m.header, Data: m.data}); err != nil {
			return err
		}
	}
	return nil
}

// fileSet is a directory of files that each are a message, or damaged bytes.
type fileSet struct{ place, dir string }

func keptFiles(dataDir string) []fileSet {
	return []fileSet{
		{PlaceSetAside, filepath.Join(dataDir, "set-aside")},
		{PlaceDamaged, filepath.Join(dataDir, "journal", "damaged")},
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

// eraseJournal counts what the journal still holds of what is meant: it leaves the
// disk when it is no longer retained.
func (e *eraser) eraseJournal(ctx context.Context, meant Meant, done *Erased) error {
	settled := e.books.ledger.settledUpTo()
	_, err := journal.Scan(filepath.Join(e.dataDir, "journal"), nil, func(r journal.Record) error {
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
		if e, err := decodeSetAside(b); err == nil && s.place == PlaceSetAside {
			k.Subject, k.Header, k.Data = e.subject, e.header, e.data
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
	return syncDir(dir)
}
