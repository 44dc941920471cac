package journaltest

import (
	"io"
	"syscall"
)

type file struct {
	fs   *FS
	name string
	node *node
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := 0
	err := f.fs.do(Op{Kind: Read, Name: f.name, Off: off, Len: len(b)}, func() error {
		if off < int64(len(f.node.data)) {
			n = copy(b, f.node.data[off:])
		}
		return nil
	})
	if err == nil && n < len(b) {
		return n, io.EOF
	}
	return n, pathError(Read, f.name, err)
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	m := f.fs
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.ops)
	over := off+int64(len(b)) <= int64(len(f.node.data))
	err := m.do(Op{Kind: Write, Name: f.name, Off: off, Data: append([]byte(nil), b...), file: f.node, over: over}, func() error {
		if grow := off + int64(len(b)) - int64(len(f.node.data)); m.Capacity > 0 && grow > 0 && m.used()+grow > m.Capacity {
			return syscall.ENOSPC
		}
		put(f.node, off, b)
		return nil
	})
	return len(m.ops[before].Data), pathError(Write, f.name, err)
}

// Sync waits at the gate before it takes effect.
func (f *file) Sync() error {
	m := f.fs
	m.mu.Lock()
	defer m.mu.Unlock()
	if gate := m.gate; gate != nil {
		select {
		case <-m.held:
		default:
			close(m.held)
		}
		m.mu.Unlock()
		<-gate
		m.mu.Lock()
	}
	return pathError(Sync, f.name, m.do(Op{Kind: Sync, Name: f.name, file: f.node}, func() error { return nil }))
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return pathError(Truncate, f.name, f.fs.do(Op{Kind: Truncate, Name: f.name, Off: size, file: f.node}, func() error {
		resize(&f.node.data, size)
		return nil
	}))
}

func resize(b *[]byte, size int64) {
	if size <= int64(len(*b)) {
		*b = append([]byte(nil), (*b)[:size]...)
		return
	}
	*b = append(*b, make([]byte, size-int64(len(*b)))...)
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	var n int64
	err := f.fs.do(Op{Kind: Size, Name: f.name}, func() error {
		n = int64(len(f.node.data))
		return nil
	})
	return n, pathError(Size, f.name, err)
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.open--
	return nil
}
