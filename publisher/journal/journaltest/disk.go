package journaltest

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Disk is an FS for long simulations: it keeps no record of what was done, only what
// is not flushed yet, and crashes in place. Two Disks that are told the same do the
// same. See NewDisk.
type Disk struct {
	// Hook is asked before every operation, as that of FS; Op.Data is the caller's, and
	// Op.N counts since NewDisk. It may panic, to end the process at that call. It must
	// not call the Disk. Set it while no operation is under way.
	Hook func(Op) *Fault
	// Capacity bounds the bytes of all files; 0: none.
	Capacity int64

	mu      sync.Mutex
	n       int
	names   map[string]*inode // as the running system sees them
	durable map[string]*inode
	renamed []nameChange // changes of directories that are not flushed
	dirs    map[string]bool
	used    int64
	lost    Image // what of a failed flush reaches the disk all the same
}

// inode is a file on a Disk. Its bytes are those that the running system sees.
type inode struct {
	node
	disk    node     // what is on the disk
	pending []change // from there to what the running system sees
	rotten  []extent // that cannot be read
}

type extent struct{ off, end int64 }

// nameChange is a creation, or a removal if file is nil.
type nameChange struct {
	name string
	file *inode
}

// NewDisk returns an empty Disk. The seed decides what of a failed flush reaches it.
func NewDisk(seed uint64) *Disk {
	return &Disk{names: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{}, lost: Random(4096, seed)}
}

// Crash ends every process that uses the Disk, and leaves what was flushed, and of
// the rest what image keeps. Files that are open stay with what is gone.
func (d *Disk) Crash(image Image) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.renamed {
		if image.Keep() {
			c.apply(d.durable)
		}
	}
	d.renamed = nil
	old := d.durable
	d.names, d.durable, d.used = map[string]*inode{}, map[string]*inode{}, 0
	for _, name := range sortedNames(old) {
		f := old[name]
		for i := range f.pending {
			f.pending[i].bring(&f.disk, image)
		}
		b := f.disk.data
		n := &inode{node: node{data: slices.Clone(b)}, disk: node{data: b}, rotten: f.rotten}
		d.names[name], d.durable[name] = n, n
		d.used += int64(len(b))
	}
}

func (c nameChange) apply(names map[string]*inode) {
	if c.file == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.file
	}
}

func sortedNames(files map[string]*inode) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Rot makes n bytes of a file unreadable, from off on, until they are written again.
func (d *Disk) Rot(name string, off, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.names[name]; f != nil {
		f.rotten = append(f.rotten, extent{off, off + n})
	}
}

// Damage changes a byte of a file, on the disk too. It does nothing if there is none.
func (d *Disk) Damage(name string, off int64, mask byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil || off >= int64(len(f.data)) {
		return
	}
	f.data[off] ^= mask
	if off < int64(len(f.disk.data)) {
		f.disk.data[off] ^= mask
	}
}

// Files returns the files as the running system sees them.
func (d *Disk) Files() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := map[string][]byte{}
	for name, f := range d.names {
		files[name] = slices.Clone(f.data)
	}
	return files
}

// do asks the hook. The caller holds mu.
func (d *Disk) do(op Op) *Fault {
	op.N = d.n
	d.n++
	if d.Hook == nil {
		return nil
	}
	return d.Hook(op)
}

// simple is do for operations that have no effect if they fail.
func (d *Disk) simple(op Op) error {
	if f := d.do(op); f != nil {
		return pathError(op.Kind, op.Name, f.Err)
	}
	return nil
}

// OpenFile implements journal.FS.
func (d *Disk) OpenFile(name string, flag int, _ os.FileMode) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, kind := d.names[name], Open
	if f == nil && flag&os.O_CREATE != 0 {
		kind = Create
	}
	if err := d.simple(Op{Kind: kind, Name: name}); err != nil {
		return nil, err
	}
	switch {
	case kind == Create:
		f = &inode{}
		d.names[name] = f
		d.renamed = append(d.renamed, nameChange{name, f})
	case f == nil:
		return nil, pathError(Open, name, syscall.ENOENT)
	case flag&os.O_EXCL != 0:
		return nil, pathError(Open, name, syscall.EEXIST)
	}
	return &diskFile{d: d, name: name, f: f}, nil
}

// Remove implements journal.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.simple(Op{Kind: Remove, Name: name}); err != nil {
		return err
	}
	f := d.names[name]
	if f == nil {
		return pathError(Remove, name, syscall.ENOENT)
	}
	d.used -= int64(len(f.data))
	delete(d.names, name)
	d.renamed = append(d.renamed, nameChange{name: name})
	return nil
}

// Exists implements journal.FS.
func (d *Disk) Exists(name string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.simple(Op{Kind: Exists, Name: name})
	return err == nil && (d.names[name] != nil || d.dirs[name] || isDir(name, d.names)), err
}

// ReadDir implements journal.FS.
func (d *Disk) ReadDir(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.simple(Op{Kind: ReadDir, Name: dir}); err != nil {
		return nil, err
	}
	for _, name := range sortedNames(d.names) {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// MkdirAll implements journal.FS. Directories survive every crash.
func (d *Disk) MkdirAll(dir string, _ os.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.simple(Op{Kind: Mkdir, Name: dir})
	for dir = filepath.Clean(dir); err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		d.dirs[dir] = true
	}
	return err
}

// SyncDir implements journal.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.simple(Op{Kind: SyncDir, Name: filepath.Clean(dir)}); err != nil {
		return err
	}
	d.renamed = slices.DeleteFunc(d.renamed, func(c nameChange) bool {
		flushed := filepath.Dir(c.name) == filepath.Clean(dir)
		if flushed {
			c.apply(d.durable)
		}
		return flushed
	})
	return nil
}

// Free implements journal.FS.
func (d *Disk) Free(dir string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.simple(Op{Kind: Free, Name: dir}); err != nil {
		return 0, err
	}
	if d.Capacity == 0 {
		return 1 << 40, nil
	}
	return max(0, d.Capacity-d.used), nil
}

type diskFile struct {
	d    *Disk
	name string
	f    *inode
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.simple(Op{Kind: Read, Name: f.name, Off: off, Len: len(b)}); err != nil {
		return 0, err
	}
	for _, x := range f.f.rotten {
		if off < x.end && x.off < off+int64(len(b)) {
			return 0, pathError(Read, f.name, syscall.EIO)
		}
	}
	n := 0
	if off < int64(len(f.f.data)) {
		n = copy(b, f.f.data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// live tells whether the file has a name, so that its bytes count. The caller
// holds mu.
func (f *diskFile) live() bool { return f.d.names[f.name] == f.f }

func (f *diskFile) change(op Op, effect func()) {
	f.f.pending = append(f.f.pending, change{op: op})
	before := len(f.f.data)
	effect()
	if f.live() {
		f.d.used += int64(len(f.f.data) - before)
	}
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	op := Op{Kind: Write, Name: f.name, Off: off, Data: b}
	n, err := len(b), error(nil)
	if fault := f.d.do(op); fault != nil {
		n, err = min(fault.Short, len(b)), fault.Err
	} else if grow := off + int64(len(b)) - int64(len(f.f.data)); f.d.Capacity > 0 && grow > 0 && f.d.used+grow > f.d.Capacity {
		n, err = 0, syscall.ENOSPC
	}
	if n > 0 {
		op.Data = slices.Clone(b[:n])
		f.change(op, func() { put(&f.f.node, off, op.Data) })
		f.f.rotten = slices.DeleteFunc(f.f.rotten, func(x extent) bool { return off <= x.off && x.end <= off+int64(n) })
	}
	return n, pathError(Write, f.name, err)
}

func (f *diskFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	op := Op{Kind: Truncate, Name: f.name, Off: size}
	if err := f.d.simple(op); err != nil {
		return err
	}
	f.change(op, func() { resize(&f.f.data, size) })
	return nil
}

// Sync brings what is pending to the disk. If the hook fails it, some of it gets
// there, and the rest never will.
func (f *diskFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err := f.d.simple(Op{Kind: Sync, Name: f.name})
	for i := range f.f.pending {
		f.f.pending[i].flushed = err == nil
		f.f.pending[i].bring(&f.f.disk, f.d.lost)
	}
	f.f.pending = nil
	return err
}

func (f *diskFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.simple(Op{Kind: Size, Name: f.name}); err != nil {
		return 0, err
	}
	return int64(len(f.f.data)), nil
}

func (f *diskFile) Close() error { return nil }

var _ journal.FS = (*Disk)(nil)

// Segments returns the names of the segments below dir, oldest first.
func (d *Disk) Segments(dir string) (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range sortedNames(d.names) {
		if filepath.Dir(name) == dir && strings.HasSuffix(name, ".seg") {
			names = append(names, name)
		}
	}
	return names
}
