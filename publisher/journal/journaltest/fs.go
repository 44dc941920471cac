// Package journaltest provides a file system in memory for tests of the journal
// and of its owner. It forgets what was not flushed, fails where it is told to, and
// can be looked at as a crash at any moment would have left it.
package journaltest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Kind says what an operation does.
type Kind string

// The kinds of operations. Note is no operation: see FS.Note.
const (
	Open     Kind = "open"
	Create   Kind = "create"
	Remove   Kind = "remove"
	Exists   Kind = "exists"
	ReadDir  Kind = "readdir"
	Mkdir    Kind = "mkdir"
	SyncDir  Kind = "syncdir"
	Free     Kind = "free"
	Read     Kind = "read"
	Write    Kind = "write"
	Sync     Kind = "sync"
	Truncate Kind = "truncate"
	Size     Kind = "size"
	Note     Kind = "note"
)

// Op is an operation that took effect.
type Op struct {
	N    int // from 0
	Kind Kind
	Name string
	Off  int64  // of a read or write; the size of a truncate
	Len  int    // of a read
	Data []byte // what a write wrote
	Err  error  // what the caller was told
	Note any
	file *node
	over bool // a write within the file, as it was
}

// Fault is the failure that a hook injects into an operation.
type Fault struct {
	Err error
	// Short is the number of bytes of a write that take effect before Err.
	Short int
}

// FS is the file system. The zero value is not usable: see New.
type FS struct {
	// Hook, if not nil, is asked before every operation; nil lets it pass. It may panic,
	// to end the process at that call. It must not call the FS. Set it before use, or with
	// SetHook.
	Hook func(Op) *Fault
	// IgnoreSync makes Sync succeed without an effect, to show that a test notices.
	IgnoreSync bool
	// IgnoreSyncDir does the same for SyncDir.
	IgnoreSyncDir bool
	// IgnoreOverwriteSync makes Sync succeed without an effect on what was written within a file.
	IgnoreOverwriteSync bool
	// CopiesOnWrite is what InPlace denies.
	CopiesOnWrite bool
	// Capacity bounds the bytes of all files; 0: none.
	Capacity int64

	mu    sync.Mutex
	ops   []Op
	names map[string]*node
	open  int              // files
	dirs  map[string]bool  // that were made
	base  map[string]start // on the disk from the start
	gate  chan struct{}
	held  chan struct{}
}

// node is the file behind a name, as the running system sees it.
type node struct{ data []byte }

// start is a file that was there from the start, and what it held.
type start struct {
	node *node
	data []byte
}

// New returns an empty FS.
func New() *FS { return From(nil) }

// From returns an FS whose disk holds files.
func From(files map[string][]byte) *FS {
	m := &FS{names: map[string]*node{}, dirs: map[string]bool{}, base: map[string]start{}}
	for name, data := range files {
		n := &node{data: append([]byte(nil), data...)}
		m.names[name] = n
		m.base[name] = start{node: n, data: append([]byte(nil), data...)}
	}
	return m
}

// SetHook replaces the hook while the FS is in use.
func (m *FS) SetHook(hook func(Op) *Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Hook = hook
}

// SetCapacity replaces the capacity while the FS is in use.
func (m *FS) SetCapacity(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Capacity = n
}

// Ops returns what was done so far.
func (m *FS) Ops() []Op {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Op(nil), m.ops...)
}

// Note puts a remark of the test among the operations, for example that a record
// was acknowledged.
func (m *FS) Note(note any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops = append(m.ops, Op{N: len(m.ops), Kind: Note, Note: note})
}

// Files returns the files as the running system sees them.
func (m *FS) Files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string][]byte{}
	for name, n := range m.names {
		files[name] = append([]byte(nil), n.data...)
	}
	return files
}

// HoldSync makes every Sync wait until release is called. held is closed as soon
// as one waits.
func (m *FS) HoldSync() (held <-chan struct{}, release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.gate, m.held = gate, make(chan struct{})
	return m.held, sync.OnceFunc(func() {
		m.mu.Lock()
		m.gate = nil
		m.mu.Unlock()
		close(gate)
	})
}

// do records op and lets the hook fail it. The caller holds mu; effect runs if the
// operation does not fail, with op.Data cut to what takes effect if it is a write.
func (m *FS) do(op Op, effect func() error) error {
	op.N = len(m.ops)
	if m.Hook != nil {
		if f := m.Hook(op); f != nil {
			op.Err = f.Err
			if op.Kind == Write {
				op.Data = op.Data[:min(f.Short, len(op.Data))]
				put(op.file, op.Off, op.Data)
			}
			m.ops = append(m.ops, op)
			return op.Err
		}
	}
	op.Err = effect()
	if op.Err != nil && op.Kind == Write {
		op.Data = nil
	}
	m.ops = append(m.ops, op)
	return op.Err
}

func put(n *node, off int64, b []byte) {
	if len(b) == 0 {
		return
	}
	if need := int(off) + len(b); need > len(n.data) {
		n.data = append(n.data, make([]byte, need-len(n.data))...)
	}
	copy(n.data[off:], b)
}

func pathError(op Kind, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: string(op), Path: name, Err: err}
}

// OpenFile implements journal.FS.
func (m *FS) OpenFile(name string, flag int, _ os.FileMode) (journal.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, kind := m.names[name], Open
	if n == nil && flag&os.O_CREATE != 0 {
		kind, n = Create, &node{}
	}
	err := m.do(Op{Kind: kind, Name: name, file: n}, func() error {
		switch {
		case n == nil:
			return syscall.ENOENT
		case kind == Open && flag&os.O_EXCL != 0:
			return syscall.EEXIST
		}
		m.names[name] = n
		return nil
	})
	if err != nil {
		return nil, pathError(kind, name, err)
	}
	m.open++
	return &file{fs: m, name: name, node: n}, nil
}

// OpenFiles returns how many files were opened and not closed.
func (m *FS) OpenFiles() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// Remove implements journal.FS.
func (m *FS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError(Remove, name, m.do(Op{Kind: Remove, Name: name, file: m.names[name]}, func() error {
		if m.names[name] == nil {
			return syscall.ENOENT
		}
		delete(m.names, name)
		return nil
	}))
}

// Exists implements journal.FS. A directory is there once it was made, or if a file
// is in it.
func (m *FS) Exists(name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := false
	err := m.do(Op{Kind: Exists, Name: name}, func() error {
		there = m.names[name] != nil || m.dirs[name] || isDir(name, m.names)
		return nil
	})
	return there, pathError(Exists, name, err)
}

func isDir(name string, files map[string]*node) bool {
	for file := range files {
		if strings.HasPrefix(file, strings.TrimSuffix(name, "/")+"/") {
			return true
		}
	}
	return name == filepath.Dir(name)
}

// ReadDir implements journal.FS.
func (m *FS) ReadDir(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	err := m.do(Op{Kind: ReadDir, Name: dir}, func() error {
		for name := range m.names {
			if filepath.Dir(name) == filepath.Clean(dir) {
				names = append(names, filepath.Base(name))
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, pathError(ReadDir, dir, err)
}

// MkdirAll implements journal.FS. Directories survive every crash.
func (m *FS) MkdirAll(dir string, _ os.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError(Mkdir, dir, m.do(Op{Kind: Mkdir, Name: dir}, func() error {
		for d := filepath.Clean(dir); d != filepath.Dir(d); d = filepath.Dir(d) {
			m.dirs[d] = true
		}
		return nil
	}))
}

// SyncDir implements journal.FS.
func (m *FS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError(SyncDir, dir, m.do(Op{Kind: SyncDir, Name: filepath.Clean(dir)}, func() error { return nil }))
}

// Free implements journal.FS.
func (m *FS) Free(dir string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	free := int64(1) << 40
	err := m.do(Op{Kind: Free, Name: dir}, func() error {
		if m.Capacity > 0 {
			free = m.Capacity - m.used()
		}
		return nil
	})
	return free, pathError(Free, dir, err)
}

// InPlace implements journal.FS.
func (m *FS) InPlace(string) bool { return !m.CopiesOnWrite }

func (m *FS) used() int64 {
	var n int64
	for _, f := range m.names {
		n += int64(len(f.data))
	}
	return n
}

var _ journal.FS = (*FS)(nil)
