package ingress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
)

// How long each may take that no configuration names.
const (
	replyTimeout = 10 * time.Second // for a client to take an answer
	drainTimeout = 5 * time.Second  // for bodies to be complete at a shutdown
	opsTimeout   = 2 * time.Minute  // for an answer of the ops listener; a CPU profile takes 30 s
	maxHeaders   = 8 << 10          // bytes of request line and headers
)

// maxHeaderBytes is maxHeaders as http.Server takes it, which adds the 4 KiB of its buffer.
const maxHeaderBytes = maxHeaders - 4<<10

// listener is an address and the HTTP server behind it.
type listener struct {
	key  string // of the address in the configuration
	addr string
	http *http.Server

	connections *connections.Bounds             // its bounds
	front       *listen.Front                   // makes them ready for HTTP; nil: they are
	watch       func(net.Listener) net.Listener // stands in front of the bounded one; nil: nothing does

	mu    sync.Mutex
	bound net.Listener
}

// Listen binds the address, so that a taken port is an error before anything
// is served. The error names the configuration key.
func (l *listener) Listen() error {
	bound, err := net.Listen("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("%s: %w", l.key, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bound != nil {
		return errors.Join(fmt.Errorf("%s: is listening already", l.key), bound.Close())
	}
	l.bound = bound
	return nil
}

// Addr returns the address really bound, or nil before Listen.
func (l *listener) Addr() net.Addr {
	if bound := l.listening(); bound != nil {
		return bound.Addr()
	}
	return nil
}

// Serve takes requests until Shutdown is called, and then returns nil at once,
// while Shutdown still waits. Call Listen before.
func (l *listener) Serve() error {
	bound := l.listening()
	if bound == nil {
		return fmt.Errorf("%s: serve before listen", l.key)
	}
	served := l.connections.Listener(bound)
	if l.front != nil && l.front.Needed() {
		served = l.front.Listener(served)
	}
	if l.watch != nil {
		served = l.watch(served)
	}
	if err := l.http.Serve(served); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: serve: %w", l.key, err)
	}
	return nil
}

// Shutdown stops taking connections, waits until every request in work has its
// complete answer, and closes the connections. When ctx ends first it closes
// what is left and returns the context's error. The context must be a fresh
// one: with the one whose end caused the shutdown nothing would be waited for.
//
// A connection that never sent a request is waited for up to 5 s, since its
// first one may be on the way. A body that is being sent must be complete within
// drainTimeout, and within a third of what ctx leaves: a slow sender does not make the
// shutdown fail.
func (l *listener) Shutdown(ctx context.Context) error {
	until := time.Now().Add(drainTimeout)
	if deadline, ok := ctx.Deadline(); ok {
		if third := time.Now().Add(time.Until(deadline) / 3); third.Before(until) {
			until = third
		}
	}
	l.connections.Drain(until)
	err := l.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("%s: requests are still in work: %w", l.key, err), l.http.Close())
	}
	// A listener that was bound and never served is unknown to the server.
	if bound := l.listening(); bound != nil {
		_ = bound.Close()
	}
	return err
}

func (l *listener) listening() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bound
}
