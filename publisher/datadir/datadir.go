// Package datadir manages the data directory of a bridge: it names the files, locks the directory
// for one process, and writes files to stable storage.
package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Names of what is in a data directory.
const (
	Journal   = "journal"      // directory: accepted events
	Refused   = "refused"      // directory: the journal of bodies that were refused
	SetAside  = "set-aside"    // directory: messages that NATS does not take
	NATS      = "nats"         // directory: the store of the embedded nats-server
	NATSKey   = "nats-key"     // the key of that store, sealed
	NATSToken = "nats-token"   // the token of the embedded nats-server, if none is configured
	Damaged   = "damaged"      // directory in Journal: copies of bytes that cannot be read
	Addrs     = "addr.json"    // the addresses that a running bridge listens on
	Control   = "control.sock" // socket by which the commands of this host reach it
	LockFile  = "lock"         // see Acquire
)

// Used reports whether a bridge ever ran on a data directory, so that messages may be
// kept in it.
func Used(dir string) bool {
	for _, name := range []string{LockFile, Journal, Refused, SetAside} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Ensure makes dir, and the directories above it that are missing, for this user
// alone: what is in them is personal data. When it returns, their names are on stable
// storage.
func Ensure(dir string) error {
	var made []string // the deepest first
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range made {
		// The name of a directory is part of the one above it.
		if err := Sync(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// Sync flushes a directory: the names in it, and what was removed from it.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// WriteFile makes dir/name with content b, and dir if it is missing: after a crash the
// file is there and whole, or not there. When WriteFile returns nil, it is on stable storage.
func WriteFile(dir, name string, b []byte) error {
	if err := Ensure(dir); err != nil {
		return err
	}
	return ReplaceFile(filepath.Join(dir, name), b, 0o600)
}

// ReplaceFile writes a file in one step: a reader, also one after a crash, finds all of b or what was
// there before.
func ReplaceFile(path string, b []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails once it is renamed, as it should
	if _, err = f.Write(b); err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return Sync(dir)
}

// Free returns the bytes that are free for this user where dir is, or 0 if that cannot
// be told.
func Free(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(uint64(st.Bavail) * uint64(st.Bsize))
}
