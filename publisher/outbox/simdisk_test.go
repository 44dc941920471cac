package outbox

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// crashed is what the disk panics with when the bridge dies at a call.
type crashed struct{}

// simDisk is the disk of the bridge: it forgets what was not flushed, has pages that
// cannot be read, and can let the bridge die at any call.
type simDisk struct {
	fs       *journaltest.FS
	crashIn  int // calls until the bridge dies; 0: it lives
	calls    int
	bad      map[badPage]bool
	capacity int64
}

type badPage struct {
	name string
	page int64
}

const pageSize = 4096

func newSimDisk() *simDisk {
	return &simDisk{fs: journaltest.New(), bad: map[badPage]bool{}}
}

// call comes before each operation.
func (d *simDisk) call() {
	d.calls++
	if d.crashIn > 0 {
		if d.crashIn--; d.crashIn == 0 {
			panic(crashed{})
		}
	}
}

// crash leaves what is on the disk when the bridge or its host dies.
func (d *simDisk) crash(image journaltest.Image) {
	d.crashIn = 0
	d.fs = journaltest.From(d.fs.Crash(len(d.fs.Ops()), image))
	d.fs.SetCapacity(d.capacity)
}

// setCapacity bounds the disk; 0: no bound.
func (d *simDisk) setCapacity(n int64) {
	d.capacity = n
	d.fs.SetCapacity(n)
}

// used is how many bytes the files have.
func (d *simDisk) used() int64 {
	var n int64
	for _, b := range d.fs.Files() {
		n += int64(len(b))
	}
	return n
}

// segments are the names of the journal's files, in order.
func (d *simDisk) segments() []string {
	var all []string
	for name := range d.fs.Files() {
		if strings.HasSuffix(name, ".seg") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// OpenFile implements journal.FS.
func (d *simDisk) OpenFile(name string, flag int, perm os.FileMode) (journal.File, error) {
	d.call()
	f, err := d.fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &simFile{File: f, disk: d, name: name}, nil
}

// Remove implements journal.FS.
func (d *simDisk) Remove(name string) error { d.call(); return d.fs.Remove(name) }

// Exists implements journal.FS.
func (d *simDisk) Exists(name string) (bool, error) { d.call(); return d.fs.Exists(name) }

// ReadDir implements journal.FS.
func (d *simDisk) ReadDir(dir string) ([]string, error) {
	d.call()
	names, err := d.fs.ReadDir(dir)
	slices.Sort(names) // a map's order would not repeat
	return names, err
}

// MkdirAll implements journal.FS.
func (d *simDisk) MkdirAll(dir string, perm os.FileMode) error {
	d.call()
	return d.fs.MkdirAll(dir, perm)
}

// SyncDir implements journal.FS.
func (d *simDisk) SyncDir(dir string) error { d.call(); return d.fs.SyncDir(dir) }

// Free implements journal.FS.
func (d *simDisk) Free(dir string) (int64, error) { d.call(); return d.fs.Free(dir) }

type simFile struct {
	journal.File
	disk *simDisk
	name string
}

func (f *simFile) ReadAt(b []byte, off int64) (int, error) {
	f.disk.call()
	if len(f.disk.bad) > 0 {
		for page := off / pageSize; page*pageSize < off+int64(len(b)); page++ {
			if f.disk.bad[badPage{f.name, page}] {
				return 0, &fs.PathError{Op: "read", Path: f.name, Err: syscall.EIO}
			}
		}
	}
	return f.File.ReadAt(b, off)
}

func (f *simFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.call()
	return f.File.WriteAt(b, off)
}

func (f *simFile) Sync() error { f.disk.call(); return f.File.Sync() }

func (f *simFile) Truncate(size int64) error { f.disk.call(); return f.File.Truncate(size) }

func (f *simFile) Size() (int64, error) { f.disk.call(); return f.File.Size() }

// dies runs f and reports whether the bridge died in it.
func dies(f func()) (died bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crashed); !ok {
				panic(p)
			}
			died = true
		}
	}()
	f()
	return false
}
