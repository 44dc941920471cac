package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// A server that reloads its configuration applies a new max_payload at once, and does not announce it
// to connected clients. A lower limit shows when a message is refused: the server ends the
// connection, and the next one begins with the new limit. A higher limit never shows: the client goes
// on refusing messages that the server would take. So RefreshLimit opens a second connection, on
// which the server announces its limit, and makes the client reconnect if it differs.
const (
	askLimitEvery   = 100 * time.Millisecond
	askLimitTimeout = 2 * time.Second
)

// limitAsker asks for the limit, once for all concurrent callers.
type limitAsker struct {
	asking sync.WaitGroup
	mu     sync.Mutex
	began  time.Time // time of the last request
}

// RefreshLimit finds out whether NATS takes larger or smaller messages than MaxPayload said
// before, and reports whether that has changed. It waits for a second connection and a
// reconnect at most, but not beyond ctx.
func (c *Conn) RefreshLimit(ctx context.Context, before int64) (changed bool) {
	wanted := time.Now()
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	if c.MaxPayload() != before || c.limits.began.After(wanted) {
		return c.MaxPayload() != before // another caller asked meanwhile
	}
	if c.link.EndedForSize() {
		ctx, cancel := context.WithTimeout(ctx, askLimitTimeout)
		defer cancel()
		return c.awaitLimit(ctx, before)
	}
	if !c.Connected() {
		return false
	}
	select {
	case <-time.After(time.Until(c.limits.began.Add(askLimitEvery))):
	case <-ctx.Done():
		return false
	}
	c.limits.began = time.Now()
	ctx, cancel := context.WithTimeout(ctx, askLimitTimeout)
	defer cancel()
	now, err := c.askLimit(ctx)
	switch {
	case err != nil:
		c.log.Debug("max_payload could not be asked for", zap.Error(err))
		return false
	case now == before:
		return false
	}
	c.log.Info("nats has another max_payload: connecting anew to take it over", zap.Int64("max_payload", now), zap.Int64("before", before))
	if nc := c.NATS(); nc.MaxPayload() == before {
		_, lost := c.link.Get()
		if err := nc.ForceReconnect(); err != nil {
			return false
		}
		select { // or the connection that is ending would be taken for the next
		case <-lost:
		case <-ctx.Done():
			return false
		}
	}
	return c.awaitLimit(ctx, before)
}

// AwaitAfterLimit waits for the next connection if the server ended the last one since a message
// was too large: the next connection is there in a moment, and the messages behind that one need
// not fail.
func (s *Stream) AwaitAfterLimit(ctx context.Context) {
	c := s.conn
	if !c.link.EndedForSize() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askLimitTimeout)
	defer cancel()
	if c.AwaitUp(ctx) {
		_ = c.NATS().FlushWithContext(ctx)
		c.LearnLimit()
	}
}

// awaitLimit waits for the next connection, and reports whether it has another limit.
func (c *Conn) awaitLimit(ctx context.Context, before int64) bool {
	for {
		server, changed := c.link.Get()
		if server != "" {
			// That of an account comes a moment later; see askLimit.
			if err := c.NATS().FlushWithContext(ctx); err == nil {
				c.LearnLimit()
			}
			if c.MaxPayload() != before {
				return true
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// askLimit makes a second connection to the same server as the same user, and returns the limit
// that the server announces there.
func (c *Conn) askLimit(ctx context.Context) (int64, error) {
	o := nats.GetDefaultOptions()
	for _, set := range c.options {
		if err := set(&o); err != nil {
			return 0, err
		}
	}
	o.Url, o.Name = c.NATS().ConnectedUrl(), o.Name+" asks for max_payload"
	o.AllowReconnect, o.RetryOnFailedConnect, o.Timeout = false, false, askLimitTimeout
	o.ConnectedCB, o.ClosedCB, o.ReconnectedCB, o.ReconnectErrCB = nil, nil, nil, nil
	o.DisconnectedErrCB, o.AsyncErrorCB = nil, func(*nats.Conn, *nats.Subscription, error) {}
	type told struct {
		limit int64
		err   error
	}
	done := make(chan told, 1)
	c.limits.asking.Go(func() {
		nc, err := o.Connect()
		if err != nil {
			done <- told{err: fmt.Errorf("connect: %w", err)}
			return
		}
		defer nc.Close()
		// The limit of the account comes behind the answer to the first PING.
		err = nc.FlushTimeout(askLimitTimeout)
		done <- told{nc.MaxPayload(), err}
	})
	select {
	case t := <-done:
		return t.limit, t.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
