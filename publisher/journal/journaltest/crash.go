package journaltest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// Image says what of the unflushed operations a crash leaves on the disk.
type Image struct {
	// Page is the size of the pieces of a write that survive or not.
	Page int
	// Keep decides for one piece of a write, a truncation, or a change of a directory.
	Keep func() bool
}

// FlushedOnly keeps what was flushed, and nothing else.
func FlushedOnly() Image { return Image{Page: 4096, Keep: func() bool { return false }} }

// Everything keeps all: the process died, the system did not.
func Everything() Image { return Image{Page: 4096, Keep: func() bool { return true }} }

// Random keeps any of the unflushed pieces; the same seed keeps the same.
func Random(page int, seed uint64) Image {
	r := rand.New(rand.NewPCG(seed, uint64(page)))
	return Image{Page: page, Keep: func() bool { return r.IntN(2) == 0 }}
}

// change is a step of a file on its way to the disk.
type change struct {
	op      Op
	flushed bool
	lost    bool // its flush failed: no later one brings it to the disk
}

// entry is a change of a directory.
type entry struct {
	name    string
	file    *node // nil: removed
	flushed bool
}

// Crash returns the files that are on the disk if the system dies after the first n
// operations. A failed Sync makes nothing durable, nor does any later one of what
// it covered: as Linux does it.
func (m *FS) Crash(n int, image Image) map[string][]byte {
	changes := map[*node][]*change{}
	var entries []*entry
	for _, op := range m.Ops()[:n] {
		switch op.Kind {
		case Write, Truncate:
			if op.Err == nil || len(op.Data) > 0 {
				changes[op.file] = append(changes[op.file], &change{op: op})
			}
		case Sync:
			settle(changes[op.file], op.Err != nil, m.ignores)
		case Create:
			if op.Err == nil {
				entries = append(entries, &entry{name: op.Name, file: op.file})
			}
		case Remove:
			if op.Err == nil {
				entries = append(entries, &entry{name: op.Name})
			}
		case SyncDir:
			for _, e := range entries {
				if op.Err == nil && !m.IgnoreSyncDir && filepath.Dir(e.name) == op.Name {
					e.flushed = true
				}
			}
		}
	}
	return m.image(changes, entries, image)
}

// ignores reports whether a Sync has no effect on what op did.
func (m *FS) ignores(op Op) bool { return m.IgnoreSync || m.IgnoreOverwriteSync && op.over }

func settle(changes []*change, failed bool, ignored func(Op) bool) {
	for _, c := range changes {
		switch {
		case ignored(c.op) || c.flushed || c.lost:
		case failed:
			c.lost = true
		default:
			c.flushed = true
		}
	}
}

func (m *FS) image(changes map[*node][]*change, entries []*entry, image Image) map[string][]byte {
	names := map[string]*node{}
	before := map[*node][]byte{}
	for name, b := range m.base {
		names[name], before[b.node] = b.node, b.data
	}
	for _, e := range entries {
		if !e.flushed && !image.Keep() {
			continue
		}
		if e.file == nil {
			delete(names, e.name)
		} else {
			names[e.name] = e.file
		}
	}
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) { // in order: Keep says what of which file stays
		files[name] = replay(before[names[name]], changes[names[name]], image)
	}
	return files
}

func replay(start []byte, changes []*change, image Image) []byte {
	f := &node{data: append([]byte(nil), start...)}
	for _, c := range changes {
		c.bring(f, image)
	}
	return f.data
}

// bring does to f what is left of c: all of it if it was flushed.
func (c *change) bring(f *node, image Image) {
	if c.op.Kind == Truncate {
		if c.flushed || image.Keep() {
			resize(&f.data, c.op.Off)
		}
		return
	}
	if c.flushed {
		put(f, c.op.Off, c.op.Data)
		return
	}
	if end := c.op.Off + int64(len(c.op.Data)); image.Keep() && end > int64(len(f.data)) {
		resize(&f.data, end) // the size may arrive before the data does
	}
	for off := c.op.Off; off < c.op.Off+int64(len(c.op.Data)); {
		to := min((off/int64(image.Page)+1)*int64(image.Page), c.op.Off+int64(len(c.op.Data)))
		if image.Keep() {
			put(f, off, c.op.Data[off-c.op.Off:to-c.op.Off])
		}
		off = to
	}
}

// Format prints operations for the message of a failed test.
func Format(ops []Op) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "%4d %-8s %s off %d len %d err %v note %.60v\n", op.N, op.Kind, filepath.Base(op.Name), op.Off, len(op.Data), op.Err, op.Note)
	}
	return b.String()
}
