// Package disk reads and writes the files of a journal, also those of which the disk has lost a part.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// FS is a file system. Errors wrap those of package os and syscall.
type FS interface {
	OpenFile(name string, flag int, perm os.FileMode) (File, error)
	Remove(name string) error
	// Exists reports whether a file or directory has this name.
	Exists(name string) (bool, error)
	// ReadDir returns the names in dir, in any order.
	ReadDir(dir string) ([]string, error)
	MkdirAll(dir string, perm os.FileMode) error
	// SyncDir returns when creations and removals in dir are on stable storage.
	SyncDir(dir string) error
	// Free returns the bytes that this user can still write where dir is.
	Free(dir string) (int64, error)
	// InPlace reports whether what is written over a part of a file in dir takes the blocks
	// that the part has, for sure: not on a file system that copies on write.
	InPlace(dir string) bool
}

// File is an open file of an FS. Reads and writes may run at once.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns when what was written, and the size, are on stable storage.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// OS is the file system of the operating system.
var OS FS = system{}

type system struct{}

func (system) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (system) Remove(name string) error { return os.Remove(name) }

func (system) Exists(name string) (bool, error) {
	_, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (system) MkdirAll(dir string, perm os.FileMode) error { return os.MkdirAll(dir, perm) }

func (system) ReadDir(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (system) SyncDir(dir string) error {
	return datadir.Sync(dir)
}

func (system) Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(uint64(st.Bavail) * uint64(st.Bsize)), nil
}

type osFile struct{ *os.File }

// Sync shadows os.File's: data, and what is needed to find it, but no times.
func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
