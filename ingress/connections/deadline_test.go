package connections

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestReadDeadline: a read ends at the deadline that was set last, whatever was set before and whether it waits
// already; one that is moved to a later time is not set below.
func TestReadDeadline(t *testing.T) {
	const never = time.Duration(-1)
	for _, tc := range []struct {
		name   string
		before []time.Duration // deadlines before the read
		during time.Duration   // set after a second; 0: none
		ends   time.Duration   // never: the peer sends after an hour
		atMost int
	}{
		{name: "none", ends: never},
		{name: "one", before: []time.Duration{10 * time.Second}, ends: 10 * time.Second, atMost: 1},
		{name: "later", before: []time.Duration{10 * time.Second, 40 * time.Second, 70 * time.Second}, ends: 70 * time.Second, atMost: 2},
		{name: "earlier", before: []time.Duration{40 * time.Second, 10 * time.Second}, ends: 10 * time.Second, atMost: 2},
		{name: "lifted", before: []time.Duration{10 * time.Second, never}, ends: never, atMost: 2},
		{name: "later_while_reading", before: []time.Duration{10 * time.Second}, during: 40 * time.Second, ends: 40 * time.Second, atMost: 2},
		{name: "earlier_while_reading", before: []time.Duration{40 * time.Second}, during: 10 * time.Second, ends: 10 * time.Second, atMost: 2},
		{name: "first_while_reading", during: 10 * time.Second, ends: 10 * time.Second, atMost: 1},
		{name: "lifted_while_reading", before: []time.Duration{10 * time.Second}, during: never, ends: never, atMost: 2},
		{name: "past_while_reading", before: []time.Duration{40 * time.Second}, during: -time.Hour, ends: time.Second, atMost: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, below, peer := pipe(t)
				begun := time.Now()
				set := func(d time.Duration) {
					at := begun.Add(d)
					if d == never {
						at = time.Time{}
					}
					if err := conn.SetReadDeadline(at); err != nil {
						t.Error(err)
					}
				}
				for _, d := range tc.before {
					set(d)
				}
				if tc.during != 0 {
					go func() {
						time.Sleep(time.Second)
						set(tc.during)
					}()
				}
				if tc.ends == never {
					go func() {
						time.Sleep(time.Hour)
						_, _ = peer.Write([]byte("x"))
					}()
				}
				n, err := conn.Read(make([]byte, 1))
				took := time.Since(begun)
				if tc.ends == never {
					if n != 1 || err != nil || took != time.Hour {
						t.Errorf("read %d bytes, %v, after %s; want the byte that comes after an hour", n, err, took)
					}
				} else if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != tc.ends {
					t.Errorf("read %d bytes, %v, after %s; want the deadline after %s", n, err, took, tc.ends)
				}
				if n := int(below.readDeadlines.Load()); n > tc.atMost {
					t.Errorf("%d deadlines were set below, want %d at most", n, tc.atMost)
				}
			})
		})
	}
}

// TestWriteDeadline: a write that is interrupted by a deadline of before goes on where it was, and ends at its own.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, below, peer := pipe(t)
		begun := time.Now()
		_ = conn.SetDeadline(begun.Add(10 * time.Second))
		_ = conn.SetDeadline(begun.Add(30 * time.Second))
		got := make([]byte, 6)
		go func() {
			_, _ = peer.Read(got[:2])
			time.Sleep(20 * time.Second)
			_, _ = peer.Read(got[2:])
		}()
		if n, err := conn.Write([]byte("abcdef")); n != 6 || err != nil || string(got) != "abcdef" {
			t.Errorf("wrote %d bytes, %v, and %q came; want all", n, err, got)
		}
		if n, err := conn.Write([]byte("more")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) != 30*time.Second {
			t.Errorf("wrote %d bytes, %v, after %s; want the deadline after 30s", n, err, time.Since(begun))
		}
		if n := below.writeDeadlines.Load(); n > 2 {
			t.Errorf("%d deadlines were set below, want 2 at most", n)
		}
	})
}
