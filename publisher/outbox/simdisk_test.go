package outbox

import (
	"slices"
	"strings"
	"syscall"

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
	d := &simDisk{fs: journaltest.New(), bad: map[badPage]bool{}}
	d.fs.Hook = d.hook
	return d
}

// hook comes before each operation.
func (d *simDisk) hook(op journaltest.Op) *journaltest.Fault {
	d.calls++
	if d.crashIn > 0 {
		if d.crashIn--; d.crashIn == 0 {
			panic(crashed{})
		}
	}
	if op.Kind == journaltest.Read && len(d.bad) > 0 {
		for page := op.Off / pageSize; page*pageSize < op.Off+int64(op.Len); page++ {
			if d.bad[badPage{op.Name, page}] {
				return &journaltest.Fault{Err: syscall.EIO}
			}
		}
	}
	return nil
}

// crash leaves what is on the disk when the bridge or its host dies.
func (d *simDisk) crash(image journaltest.Image) {
	d.crashIn = 0
	d.fs = journaltest.From(d.fs.Crash(len(d.fs.Ops()), image))
	d.fs.Hook = d.hook
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
