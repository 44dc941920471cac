package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// patience bounds the wait for answers after the end of a run.
const patience = 15 * time.Second

// Client has keep-alive connections to one target. One run at a time.
type Client struct {
	conns []*conn
	next  int64 // number of the next event
}

// Dial opens connections to a target. The first event has the number first.
func Dial(t Target, connections int, first int64) (*Client, error) {
	c := &Client{next: first}
	for range connections {
		cn := newConn(t)
		if err := cn.dial(time.Time{}); err != nil {
			c.Close()
			return nil, fmt.Errorf("connection %d of %d: %w", len(c.conns)+1, connections, err)
		}
		c.conns = append(c.conns, cn)
	}
	return c, nil
}

// Next is the number of the next event.
func (c *Client) Next() int64 { return c.next }

// Close closes the connections.
func (c *Client) Close() {
	for _, cn := range c.conns {
		cn.close()
	}
}

// run starts a worker for each connection and returns when all have ended: at
// the end of the time, of the count, of the context, or when a connection
// cannot be made again.
func (c *Client) run(ctx context.Context, count int, d time.Duration, work func(worker) error) (*Result, error) {
	var taken atomic.Int64
	began := time.Now()
	rec := newRecorder(c.next, count, began, d)
	w := worker{ctx: ctx, rec: rec, taken: &taken, began: began, end: rec.end, first: c.next, count: count}
	errs := make([]error, len(c.conns))
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	var wg sync.WaitGroup
	for i, cn := range c.conns {
		w := w
		w.conn, w.index = cn, i
		wg.Go(func() {
			if errs[i] = cn.c.SetDeadline(w.end.Add(patience)); errs[i] == nil {
				errs[i] = work(w)
			}
		})
	}
	wg.Wait()
	c.next += min(taken.Load(), int64(count))
	rec.result.Outcomes = rec.result.Outcomes[:c.next-rec.result.First]
	return rec.finish(began), errors.Join(append(errs, ctx.Err())...)
}

// interrupt makes every read and write of the connections fail.
func (c *Client) interrupt() {
	for _, cn := range c.conns {
		cn.interrupt()
	}
}

// worker is the part of a run that has one connection.
type worker struct {
	ctx        context.Context
	conn       *conn
	index      int
	rec        *recorder
	taken      *atomic.Int64 // how many events the workers have taken
	began, end time.Time
	first      int64
	count      int
}

// take returns the index of the next event, until there are none.
func (w *worker) take() (int, bool) {
	i := int(w.taken.Add(1)) - 1
	return i, i < w.count
}

// post sends the event at an index, records it as begun at a time, and makes
// the connection anew if it broke or the server closed it.
func (w *worker) post(index int, began time.Time) error {
	status, err := w.conn.post(w.first + int64(index))
	w.rec.record(w.index, index, began, time.Now(), status, err)
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if err != nil || w.conn.c == nil {
		return w.conn.dial(w.end.Add(patience))
	}
	return nil
}
