package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Lock holds a data directory for one process. The kernel gives it up when the process
// ends, however it ends.
type Lock struct {
	file *os.File // has the pid, for the error of those who come later
	dir  *os.File // locked too: somebody may remove the file
}

// LockedError says who holds a data directory.
type LockedError struct {
	Dir string
	PID int // 0 if it is not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("the process with pid %d", e.PID)
	}
	return fmt.Sprintf("%s is in use by %s; one bridge needs one data_dir", e.Dir, who)
}

// Acquire makes dir if it is missing and locks it. If another process holds it, the
// error is a *LockedError.
func Acquire(dir string) (*Lock, error) {
	if err := Ensure(dir); err != nil {
		return nil, err
	}
	// The pid is written over what is there: a symbolic link could lead to any file.
	f, err := os.OpenFile(filepath.Join(dir, LockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: remove this symbolic link; the lock is a file of data_dir itself", err)
	}
	if err != nil {
		return nil, err
	}
	l := &Lock{file: f}
	if err = l.acquire(dir); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &LockedError{Dir: dir, PID: readPID(f)}
		}
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

func (l *Lock) acquire(dir string) (err error) {
	if err := flock(l.file); err != nil {
		return fmt.Errorf("lock %s: %w", l.file.Name(), err)
	}
	if l.dir, err = os.Open(dir); err != nil {
		return err
	}
	// A file system that cannot lock directories, such as NFS, has to do with the file.
	if err := flock(l.dir); errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := writePID(l.file); err != nil {
		return fmt.Errorf("write to %s: %w", l.file.Name(), err)
	}
	return nil
}

// flock locks f. It tries a few times: HeldBy holds the lock for a moment.
func flock(f *os.File) (err error) {
	for range 10 {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(r io.Reader) int {
	b, _ := io.ReadAll(io.LimitReader(r, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// Release gives the directory up. The file stays: removing it would let two processes
// lock two files of the same name.
func (l *Lock) Release() error {
	err := l.file.Close()
	if l.dir != nil {
		err = errors.Join(err, l.dir.Close())
	}
	return err
}

// HeldBy reports whether a bridge of this host runs on a data directory, and as which
// process; pid is 0 if that is not known.
func HeldBy(dir string) (held bool, pid int, err error) {
	release, err := Block(dir)
	if busy, ok := errors.AsType[*LockedError](err); ok {
		return true, busy.PID, nil
	}
	if err != nil {
		return false, 0, err
	}
	release()
	return false, 0, nil
}

// Block keeps bridges from starting on a data directory until release is called. It
// writes nothing, so that it works on a disk that is read-only. If a bridge runs on
// it, the error is a *LockedError.
func Block(dir string) (release func(), err error) {
	f, err := os.Open(filepath.Join(dir, LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil // no bridge ever ran here, or it is a copy without the lock
	}
	if err != nil {
		return nil, fmt.Errorf("is a bridge running? %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		return nil, &LockedError{Dir: dir, PID: readPID(f)}
	}
	// Any other error means a copy where nothing can be locked.
	return func() { f.Close() }, nil
}
