// Package control connects the commands of a host to the bridge that runs there: HTTP on a Unix
// socket in the data directory. Who may write to that directory may use it; there is no other
// authority, and no other address.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// longestPath bounds the path of a socket: 104 bytes on
// macOS and 108 on Linux, one of which ends it.
const longestPath = 103

var (
	// ErrTooLong: a socket in this data directory would have too long a path.
	ErrTooLong = errors.New("the path of data_dir is too long for a socket")
	// ErrNobody: no bridge listens in this data directory.
	ErrNobody = errors.New("no bridge listens there")
)

// Server serves the commands of the host. Make it with Listen, call Serve, then
// Shutdown, once each.
type Server struct {
	http     http.Server
	listener net.Listener
	path     string
}

// Listen makes the socket, for this user alone. The caller holds the lock of the
// data directory, so a socket that is there was left by a bridge that was killed.
func Listen(dataDir string, h http.Handler) (*Server, error) {
	// The socket is made in a directory that other users cannot enter, and is moved to its
	// name when its mode is right.
	dir, err := os.MkdirTemp(dataDir, ".c")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // empty: the socket was renamed
	private := filepath.Join(dir, "s")
	if len(private) > longestPath {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, len(dataDir))
	}
	l, err := net.Listen("unix", private)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it has another name by then
	path := filepath.Join(dataDir, datadir.Control)
	if err = os.Chmod(private, 0o600); err == nil {
		err = os.Rename(private, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Server{http: http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}, listener: l, path: path}, nil
}

// Serve answers until Shutdown.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.path, err)
	}
	return nil
}

// Shutdown removes the socket and waits for the requests in work until ctx ends;
// then it cuts them off.
func (s *Server) Shutdown(ctx context.Context) error {
	err := os.Remove(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if cut := s.http.Shutdown(ctx); cut != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", datadir.Control, cut), s.http.Close())
	}
	_ = s.listener.Close() // if Serve was never called
	return err
}

// Client returns a client that reaches the bridge of a data directory whatever host
// a URL names. Its errors wrap ErrNobody if none listens.
func Client(dataDir string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", filepath.Join(dataDir, datadir.Control))
		// A path that is too long is an EINVAL: no bridge can listen there either.
		for _, nobody := range []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.EINVAL, syscall.ENOTDIR} {
			if errors.Is(err, nobody) {
				err = fmt.Errorf("%w: %w", ErrNobody, err)
				break
			}
		}
		return conn, err
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}
