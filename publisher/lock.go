package publisher

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockFile is the file below a data directory that is locked.
const lockFile = "lock"

// dirLock holds a data directory for one process. The kernel gives it up when
// the process ends, however it ends.
type dirLock struct{ file *os.File }

// lockedError says who holds a data directory.
type lockedError struct {
	Dir string
	PID int // 0 if it is not known
}

func (e *lockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("the process with pid %d", e.PID)
	}
	return fmt.Sprintf("%s is in use by %s; one bridge needs one data_dir", e.Dir, who)
}

// lockDir makes dir if it is missing and locks it. If somebody else holds it,
// the error is a *lockedError.
func lockDir(dir string) (*dirLock, error) {
	if err := ensureDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = flock(f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		return nil, &lockedError{Dir: dir, PID: readPID(f)}
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &dirLock{file: f}, nil
}

// flock locks f. It tries a few times: who only asks whether the directory is in
// use (lockedBy) holds the lock for a moment.
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

// release gives the directory up. The file stays: removing it would let two
// processes lock two files of the same name.
func (l *dirLock) release() error { return l.file.Close() }

// FreeDisk returns the bytes that are free for this user where dir is, or 0 if
// that cannot be told.
func FreeDisk(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(uint64(st.Bavail) * uint64(st.Bsize))
}
