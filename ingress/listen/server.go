// Package listen serves HTTP on a port, for the public listener and the ops listener: it shuts down in order,
// terminates TLS, with a certificate from files or from an ACME server, and reads the header of the PROXY protocol.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
)

// drainTimeout is the time that bodies may take to be complete at a shutdown.
const drainTimeout = 5 * time.Second

// MaxHeaderBytes makes http.Server bound request line and headers to 8 KiB: it adds the 4 KiB of its buffer.
const MaxHeaderBytes = 4 << 10

// Options of a Server.
type Options struct {
	Key  string // of the address in the configuration
	Addr string // to listen at
	HTTP *http.Server

	Connections *connections.Bounds             // bounds them
	Front       *Front                          // makes connections ready for HTTP; nil: they are
	Watch       func(net.Listener) net.Listener // stands in front of the bounded one; nil: nothing does
}

// Server is an address and the HTTP server behind it. Call Listen, Serve and, once, Shutdown. Its
// methods may be called at once.
type Server struct {
	o Options

	mu    sync.Mutex
	bound net.Listener
}

// NewServer returns a server that listens nowhere yet.
func NewServer(o Options) *Server { return &Server{o: o} }

// Listen binds the address, so that a taken port is an error before anything
// is served. The error names the configuration key.
func (s *Server) Listen() error {
	bound, err := net.Listen("tcp", s.o.Addr)
	if err != nil {
		return fmt.Errorf("%s: %w", s.o.Key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound != nil {
		return errors.Join(fmt.Errorf("%s: is listening already", s.o.Key), bound.Close())
	}
	s.bound = bound
	return nil
}

// Addr returns the address really bound, or nil before Listen.
func (s *Server) Addr() net.Addr {
	if bound := s.listening(); bound != nil {
		return bound.Addr()
	}
	return nil
}

// Serve takes requests until Shutdown is called, and then returns nil at once,
// while Shutdown still waits. Call Listen before.
func (s *Server) Serve() error {
	bound := s.listening()
	if bound == nil {
		return fmt.Errorf("%s: serve before listen", s.o.Key)
	}
	served := s.o.Connections.Listener(bound)
	if s.o.Front != nil && s.o.Front.Needed() {
		served = s.o.Front.Listener(served)
	}
	if s.o.Watch != nil {
		served = s.o.Watch(served)
	}
	if err := s.o.HTTP.Serve(served); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: serve: %w", s.o.Key, err)
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
func (s *Server) Shutdown(ctx context.Context) error {
	until := time.Now().Add(drainTimeout)
	if deadline, ok := ctx.Deadline(); ok {
		if third := time.Now().Add(time.Until(deadline) / 3); third.Before(until) {
			until = third
		}
	}
	s.o.Connections.Drain(until)
	err := s.o.HTTP.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("%s: requests are still in work: %w", s.o.Key, err), s.o.HTTP.Close())
	}
	// A listener that was bound and never served is unknown to the server.
	if bound := s.listening(); bound != nil {
		_ = bound.Close()
	}
	return err
}

func (s *Server) listening() net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}
