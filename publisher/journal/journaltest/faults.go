package journaltest

import (
	"strings"
	"syscall"
)

// FailNth returns a hook that fails the n-th operation (from 0) of those that match,
// and, if always, every one after it.
func FailNth(n int, always bool, err error, match func(Op) bool) func(Op) *Fault {
	seen := 0
	return func(op Op) *Fault {
		if !match(op) {
			return nil
		}
		seen++
		if seen-1 == n || always && seen > n {
			return &Fault{Err: err, Short: len(op.Data) / 2}
		}
		return nil
	}
}

// Is returns a match for FailNth: operations of these kinds on names that contain part.
func Is(part string, kinds ...Kind) func(Op) bool {
	return func(op Op) bool {
		for _, k := range kinds {
			if op.Kind == k && strings.Contains(op.Name, part) {
				return true
			}
		}
		return false
	}
}

// Unreadable returns a hook that fails every read of the file that touches the n
// bytes at off.
func Unreadable(name string, off, n int64) func(Op) *Fault {
	return func(op Op) *Fault {
		if op.Kind == Read && op.Name == name && op.Off < off+n && off < op.Off+int64(op.Len) {
			return &Fault{Err: syscall.EIO}
		}
		return nil
	}
}
