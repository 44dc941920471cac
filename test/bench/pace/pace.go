// Package pace waits until a moment, more exactly than time.Sleep: that rounds
// up to a millisecond when nothing else runs, which is longer than many of the
// latencies that are measured.
package pace

import "time"

// Until returns at a moment, or at once if it has passed. It may block an
// operating system thread.
func Until(t time.Time) {
	for {
		left := time.Until(t)
		if left <= 0 {
			return
		}
		sleep(left)
	}
}
