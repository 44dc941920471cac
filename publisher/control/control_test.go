package control_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/control"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// shortDir is a directory with a path that a socket can have.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func serve(t *testing.T, dir string, h http.HandlerFunc) *control.Server {
	t.Helper()
	s, err := control.Listen(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		_ = s.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func get(dir string) (string, error) {
	resp, err := control.Client(dir).Get("http://bridge/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestSocketLivesAsLongAsItsServer(t *testing.T) {
	dir := shortDir(t)
	if _, err := get(dir); !errors.Is(err, control.ErrNobody) {
		t.Errorf("before: %v", err)
	}
	s := serve(t, dir, hello)
	if text, err := get(dir); text != "hello" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	info, err := os.Stat(filepath.Join(dir, datadir.Control))
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := get(dir); !errors.Is(err, control.ErrNobody) {
		t.Errorf("after: %v", err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// After a kill the socket is there and nobody behind it.
func TestStaleSocket(t *testing.T) {
	dir := shortDir(t)
	l, err := net.Listen("unix", filepath.Join(dir, datadir.Control))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := get(dir); !errors.Is(err, control.ErrNobody) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	serve(t, dir, hello)
	if text, err := get(dir); text != "hello" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestPathTooLong(t *testing.T) {
	dir := filepath.Join(shortDir(t), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(dir, nil); !errors.Is(err, control.ErrTooLong) {
		t.Errorf("Listen: %v", err)
	}
	if _, err := get(dir); !errors.Is(err, control.ErrNobody) {
		t.Errorf("Get: %v", err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := control.Listen(filepath.Join(dir, "missing"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Listen in no directory: %v", err)
	}
}

// A request that does not end is cut off at the deadline.
func TestShutdownCutsOff(t *testing.T) {
	dir := shortDir(t)
	inside := make(chan struct{})
	s := serve(t, dir, func(_ http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
	})
	answer := make(chan error, 1)
	go func() {
		_, err := get(dir)
		answer <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-answer; err == nil {
		t.Error("it was answered")
	}
}
