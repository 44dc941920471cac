package load_test

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// stallingServer answers 200 to everything, but once it holds up all answers.
type stallingServer struct {
	listener net.Listener
	mu       sync.Mutex // held while it stalls
	once     sync.Once
	after    int
	stall    time.Duration
	wg       sync.WaitGroup
}

func startStalling(t *testing.T, after int, stall time.Duration) *stallingServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stallingServer{listener: l, after: after, stall: stall}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return s
}

// dialStalling connects to a server of its own that stalls after so many answers on a connection.
func dialStalling(t *testing.T, after int, stall time.Duration, connections int, first int64) *load.Client {
	t.Helper()
	body, err := load.NewBody([]byte(`{"session_id": "0123456789012345678901", "sent_text": ""}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := startStalling(t, after, stall)
	c, err := load.Dial(load.Target{Addr: s.listener.Addr().String(), Path: "/", Token: "x", Body: body}, connections, first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s *stallingServer) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for n := 1; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := r.Discard(int(req.ContentLength)); err != nil {
			return
		}
		s.mu.Lock()
		if n == s.after {
			s.once.Do(func() { time.Sleep(s.stall) })
		}
		s.mu.Unlock()
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
			return
		}
	}
}

// TestOpenOmitsNothing: while the server stands still for half a second, a
// hundred events are due and have to wait, the one that is due at its beginning
// for all of it. A closed loop sees only the events that it had sent. The bounds
// are such that a slow machine cannot break them: it only adds latency.
func TestOpenOmitsNothing(t *testing.T) {
	const stall = 500 * time.Millisecond
	c := dialStalling(t, 20, stall, 2, 0)
	const rate = 200
	res, err := c.Open(t.Context(), rate, 1500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if res.Answered != 300 || c.Next() != 300 {
		t.Fatalf("got %d answered and %d taken, want 300: %s", res.Answered, c.Next(), res.FirstFail)
	}
	late := 0 // events that waited for at least half of the stall
	for _, bar := range res.Latency.Distribution() {
		if bar.From >= (stall / 2).Microseconds() {
			late += int(bar.Count)
		}
	}
	if want := int(rate * stall.Seconds() / 2); late < want*9/10 {
		t.Errorf("%d events waited for half of the stall or longer, want about %d", late, want)
	}
}

// TestClosedCountsEach: every event of a closed loop has a number of its own and
// an outcome, and the next run goes on after it.
func TestClosedCountsEach(t *testing.T) {
	c := dialStalling(t, 0, 0, 4, 7)
	for _, first := range []int64{7, 107} {
		res, err := c.Closed(t.Context(), 100, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if res.First != first || res.Answered != 100 || len(res.Outcomes) != 100 || res.Latency.TotalCount() != 100 {
			t.Errorf("got first %d, %d answered, %d outcomes, %d latencies, want %d and 100 of each", res.First, res.Answered, len(res.Outcomes), res.Latency.TotalCount(), first)
		}
		for i, o := range res.Outcomes {
			if o != load.Answered {
				t.Errorf("event %d: got outcome %d", i, o)
			}
		}
	}
}
