package journal

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// heldFS is an FS that cannot change anything. It keeps what was opened open, so
// that a file which is removed meanwhile can still be read, until release. One
// goroutine may use it.
type heldFS struct {
	fs   FS
	open map[string]File
}

var errReadOnly = errors.New("the journal is only read here")

func newHeldFS(files FS) *heldFS { return &heldFS{fs: files, open: map[string]File{}} }

// heldFile is a File that its user cannot close or change.
type heldFile struct{ File }

func (heldFile) Close() error                       { return nil }
func (heldFile) Sync() error                        { return errReadOnly }
func (heldFile) Truncate(int64) error               { return errReadOnly }
func (heldFile) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }

func (h *heldFS) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	if flag != os.O_RDONLY {
		return nil, errReadOnly
	}
	if f, ok := h.open[name]; ok {
		return heldFile{f}, nil
	}
	f, err := h.fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	h.open[name] = f
	return heldFile{f}, nil
}

func (h *heldFS) ReadDir(dir string) ([]string, error) { return h.fs.ReadDir(dir) }
func (h *heldFS) Remove(string) error                  { return errReadOnly }
func (h *heldFS) MkdirAll(string, os.FileMode) error   { return errReadOnly }
func (h *heldFS) SyncDir(string) error                 { return errReadOnly }
func (h *heldFS) Exists(name string) (bool, error)     { return h.fs.Exists(name) }
func (h *heldFS) Free(dir string) (int64, error)       { return h.fs.Free(dir) }

func (h *heldFS) InPlace(dir string) bool { return h.fs.InPlace(dir) }

// grown reports whether dir holds a segment that is not open.
func (h *heldFS) grown(dir string) (bool, error) {
	names, err := h.fs.ReadDir(dir)
	return slices.ContainsFunc(names, func(name string) bool {
		return parseName(name) != nil && h.open[filepath.Join(dir, name)] == nil
	}), err
}

// missing reports whether there is no directory dir, as opposed to a file in it.
func (h *heldFS) missing(dir string) bool {
	_, err := h.fs.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist)
}

func (h *heldFS) release() {
	for f := range maps.Values(h.open) {
		f.Close() // it was only read
	}
	clear(h.open)
}
