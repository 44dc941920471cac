package oracle

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// Clients post to a bridge without a pause, each on one keep-alive connection
// and with session ids of its own, such as c07-000123. A client sends its next
// request when the last one was answered or its connection broke; it repeats
// none. Clients report each request and its answer to the oracle.
type Clients struct {
	oracle *Oracle
	size   int           // of the text in each event
	Pace   time.Duration // between an answer and the next request; set it before To
	stop   context.CancelFunc
	work   sync.WaitGroup
	n      int
	parked atomic.Int64 // clients that wait for a bridge

	mu   sync.Mutex
	addr string        // of the bridge; "" while there is none
	up   chan struct{} // closed when addr is set
}

// StartClients starts n clients whose names, and so their events, begin with a
// prefix of their own. They wait until a bridge is up.
func StartClients(prefix string, o *Oracle, n, size int) *Clients {
	ctx, stop := context.WithCancel(context.Background())
	c := &Clients{oracle: o, size: size, stop: stop, n: n, up: make(chan struct{})}
	for i := range n {
		c.work.Go(func() { (&client{Clients: c, name: fmt.Sprintf("%s%02d", prefix, i)}).run(ctx) })
	}
	return c
}

// To sends the clients to a bridge.
func (c *Clients) To(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addr = addr
	close(c.up)
}

// Pause makes each client wait once its request is answered or its connection broke.
func (c *Clients) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addr != "" {
		c.addr, c.up = "", make(chan struct{})
	}
}

// PauseAndWait pauses the clients, and waits until no request is on its way.
func (c *Clients) PauseAndWait(t *testing.T) {
	t.Helper()
	c.Pause()
	bridge.Await(t, 30*time.Second, "no client has an open request", bridge.AtLeast(c.n, func() int { return int(c.parked.Load()) }))
}

// Close ends the clients, and waits until they have ended.
func (c *Clients) Close() {
	c.stop()
	c.work.Wait()
}

// target returns the address of the bridge, and waits while there is none.
func (c *Clients) target(ctx context.Context) (string, error) {
	c.mu.Lock()
	addr, up := c.addr, c.up
	c.mu.Unlock()
	if addr != "" || ctx.Err() != nil {
		return addr, ctx.Err()
	}
	c.parked.Add(1)
	defer c.parked.Add(-1)
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-up:
		return c.target(ctx)
	}
}

// client is a client of a load.
type client struct {
	*Clients
	name   string
	number int // of its next event

	conn   net.Conn  // nil: none
	used   time.Time // when conn last had a request
	addr   string    // of the bridge that conn goes to
	reader *bufio.Reader
}

func (c *client) run(ctx context.Context) {
	defer c.hangUp()
	for turn := 0; ; turn++ {
		addr, err := c.target(ctx)
		if err != nil {
			return
		}
		if c.conn == nil || c.addr != addr || time.Since(c.used) > idleConn {
			if !c.dial(ctx, addr) {
				continue
			}
		}
		c.used = time.Now()
		r := c.next(turn)
		d := c.oracle.send(r.ids...)
		if status, err := c.post(ctx, r); err == nil {
			d.answer(status)
			if status == http.StatusServiceUnavailable {
				time.Sleep(5 * time.Millisecond) // it was told to come later
			}
		} else {
			c.hangUp()
		}
		if c.Pace > 0 {
			time.Sleep(c.Pace)
		}
	}
}

// dial reports whether there is a connection now. A bridge that was just killed
// refuses until it is noticed.
func (c *client) dial(ctx context.Context, addr string) bool {
	c.hangUp()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		time.Sleep(time.Millisecond) // nobody listens: no use to ask all the time
		return false
	}
	c.conn, c.addr, c.reader = conn, addr, bufio.NewReader(conn)
	return true
}

func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// postedRequest is a request of a client.
type postedRequest struct {
	ids         []string
	token, body string
}

// next makes mostly single events; some arrays, and some of what must be
// refused: by its token, its syntax, its fields.
func (c *client) next(turn int) postedRequest {
	n := 1
	if turn%8 == 3 {
		n = 12
	}
	r := postedRequest{token: bridge.Token}
	var events []string
	for range n {
		id := fmt.Sprintf("%s-%06d", c.name, c.number)
		r.ids = append(r.ids, id)
		events = append(events, bridge.ReadEvent(id, c.number, c.size))
		c.number++
	}
	r.body = events[0]
	if n > 1 {
		r.body = "[" + strings.Join(events, ",") + "]"
	}
	switch turn % 48 {
	case 13:
		r.token = "another-token-altogether"
	case 29:
		r.body = r.body[:len(r.body)-1]
	case 45:
		r.body = strings.Replace(r.body, `"session_id"`, `"no_session_id"`, 1)
	}
	return r
}

// idleConn is the idle time after which a client makes a new connection: the bridge closes one that
// was idle for ingress.idle_timeout, at any moment.
const idleConn = time.Minute

// answerTimeout is longer than the bridge takes to answer in the worst case.
const answerTimeout = 20 * time.Second

// post returns the status of a whole answer.
func (c *client) post(ctx context.Context, r postedRequest) (int, error) {
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	head := fmt.Sprintf("POST /webhook HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		r.token, len(r.body))
	if _, err := io.WriteString(conn, head+r.body); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.Close {
		c.hangUp()
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		c.oracle.violation(r.ids[0] + " was answered 503 without Retry-After")
	}
	if r.token != bridge.Token && resp.StatusCode == http.StatusTooManyRequests {
		// Too many wrong tokens came from this address: 429 is right for a wrong token, and wrong for a right one.
		return http.StatusUnauthorized, nil
	}
	return resp.StatusCode, nil
}

// plain are the statuses that clients get when nothing is wrong.
var plain = []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusUnprocessableEntity}

// ExpectPlain fails the test if clients got other answers than when nothing is wrong, and also these.
func (t Totals) ExpectPlain(test *testing.T, also ...int) {
	test.Helper()
	wanted := append(also, plain...)
	for status, n := range t.byStatus {
		if !slices.Contains(wanted, status) {
			test.Errorf("got %d answers %d, want only %v", n, status, wanted)
		}
	}
}
