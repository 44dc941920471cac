package load

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// Target is the address, path and header of requests.
type Target struct {
	Addr  string
	Path  string
	Token string
	Body  Body
}

// conn is a keep-alive connection. Its request is written once; each event
// only changes the digits of its session id.
type conn struct {
	target  Target
	request []byte
	digits  int
	r       *responseReader

	mu sync.Mutex // guards c against interrupt; only the worker changes it
	c  net.Conn
}

func newConn(t Target) *conn {
	head := "POST " + t.Path + " HTTP/1.1\r\nHost: " + t.Addr + "\r\nAuthorization: Bearer " + t.Token +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(t.Body.Len()) + "\r\n\r\n"
	return &conn{
		target:  t,
		request: append([]byte(head), t.Body.template...),
		digits:  len(head) + t.Body.digits,
	}
}

// dial connects it. Until the deadline it may read and write: one deadline for
// a whole run costs less than one for each request.
func (c *conn) dial(deadline time.Time) error {
	c.close()
	nc, err := net.DialTimeout("tcp", c.target.Addr, 5*time.Second)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := nc.SetDeadline(deadline); err != nil {
		nc.Close()
		return err
	}
	c.mu.Lock()
	c.c, c.r = nc, newResponseReader(nc)
	c.mu.Unlock()
	return nil
}

// post sends the event with a number and returns the status of the answer.
func (c *conn) post(number int64) (int, error) {
	putNumber(c.request[c.digits:], number)
	if _, err := c.c.Write(c.request); err != nil {
		return 0, err
	}
	status, closes, err := c.r.next()
	if err == nil && closes {
		c.close()
	}
	return status, err
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

// interrupt makes what the worker waits for fail.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		_ = c.c.SetDeadline(time.Unix(1, 0)) // a connection that is broken already needs no interruption
	}
}
