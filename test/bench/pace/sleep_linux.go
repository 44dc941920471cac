package pace

import (
	"time"

	"golang.org/x/sys/unix"
)

func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // if a signal cuts it short, Until sleeps again
}
