package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// The store of a stream keeps its first write error until the server is started anew: a disk
// that was full for a moment stops the stream for good. The server reports it in its health.
const (
	watchEvery       = time.Second
	restartPause     = 10 * time.Second // least time between two restarts; a restart that does not help doubles it
	restartLongest   = 10 * time.Minute
	probeSize        = 4 << 20 // bytes that the disk must take before a restart
	probeFile        = ".probe"
	healthyForPardon = 10 * time.Minute // after this time the pause is restartPause again
)

// watch restarts the server when its store does not write though the disk has room, until
// ctx ends.
func (e *Server) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last time.Time // time of the last restart
	var told string
	pause := restartPause
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		problem := healthProblem(e.current())
		if problem == "" {
			told = ""
			if time.Since(last) > healthyForPardon {
				pause = restartPause
			}
			continue
		}
		if problem != told {
			e.log.Error("the embedded nats-server is not healthy", zap.String("problem", problem))
			told = problem
		}
		if time.Since(last) < pause {
			continue
		}
		if err := probeDisk(e.options.StoreDir); err != nil {
			continue // a restart does not help while the disk is full
		}
		if !last.IsZero() {
			pause = min(2*pause, restartLongest)
		}
		last = time.Now()
		e.restart(problem)
	}
}

// healthProblem returns the reason why the server cannot store; "" if it can.
func healthProblem(s *server.Server) string {
	if !s.Running() {
		return "it does not run"
	}
	if !s.JetStreamEnabled() {
		return "JetStream was turned off" // the server does this when the disk is full
	}
	for _, e := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		// Other errors, such as a stream that is just being deleted, do not concern the store.
		if strings.Contains(e.Error, "write error") {
			return e.Error
		}
	}
	return ""
}

// restart ends the server and starts it with the same options, address and store. Clients
// reconnect by themselves.
func (e *Server) restart(problem string) {
	e.restarts.Inc()
	old := e.current()
	old.Shutdown()
	old.WaitForShutdown()
	s, err := e.start()
	if err != nil {
		// The watch tries again.
		e.log.Error("the embedded nats-server was stopped to mend its store, and does not start", zap.Error(err))
		return
	}
	e.mu.Lock()
	e.server = s
	e.mu.Unlock()
	e.log.Warn("the embedded nats-server was restarted: its store did not write though the disk has room", zap.String("problem", problem))
}

// probeDisk writes a file of some size, flushes it, and removes it.
func probeDisk(dir string) (err error) {
	path := filepath.Join(dir, probeFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }() // the next probe overwrites what stays
	_, err = f.Write(bytes.Repeat([]byte{1}, probeSize))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	return nil
}
