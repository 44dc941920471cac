package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// Addrs are the addresses really bound, each host:port.
type Addrs struct {
	Ingress string `json:"ingress"`
	Ops     string `json:"ops"`
	NATS    string `json:"nats,omitempty"` // only of the embedded server
}

// Write writes the file so that a reader sees all of it or nothing.
func (a Addrs) Write(path string) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return datadir.ReplaceFile(path, append(b, '\n'), 0o644)
}

// ReadAddrs returns the addresses of the bridge that runs on this data_dir. The
// zero value, without an error, means that none does.
func ReadAddrs(dataDir string) (Addrs, error) {
	var a Addrs
	path := filepath.Join(dataDir, datadir.Addrs)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return Addrs{}, fmt.Errorf("read addresses of the running bridge: %w", err)
	}
	return a, nil
}

// Dialable turns an address to listen on into one to connect to: every host
// becomes this one.
func Dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if value.IsEveryHost(host) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// ClientAddrs returns where the client commands find the bridge: the addresses
// of the running one, else those of the configuration.
func ClientAddrs(c *config.Config) (Addrs, error) {
	a, err := ReadAddrs(c.DataDir)
	if err != nil {
		return Addrs{}, err
	}
	for _, x := range []struct {
		addr     *string
		fallback string
	}{{&a.Ingress, c.Ingress.Addr}, {&a.Ops, c.Ops.Addr}, {&a.NATS, c.NATS.Embedded.Addr}} {
		if *x.addr == "" {
			*x.addr = x.fallback
		}
		*x.addr = Dialable(*x.addr)
	}
	return a, nil
}

// OwnBridge returns nil if a bridge runs on a data directory, so that it is the one that listens on
// the addresses there.
func OwnBridge(dataDir string) error {
	running, _, err := datadir.HeldBy(dataDir)
	switch {
	case err != nil:
		return fmt.Errorf("data_dir: %w", err)
	case !running:
		return fmt.Errorf("no bridge runs on data_dir %s, and whoever else listens on its address is not given the configured secrets: start it, or name a bridge with --url, and its secret with --token-file", dataDir)
	}
	return nil
}

// DevTokenFile is the file below data_dir that keeps the token of serve --dev,
// so that a line pasted yesterday works today, and send knows it.
const DevTokenFile = "dev-token"

// ReadDevToken returns the token in data_dir, or "".
func ReadDevToken(dataDir string) (string, error) {
	text, err := value.ReadFile(filepath.Join(dataDir, DevTokenFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data_dir: read the token: %w", err)
	}
	token, _ := value.CleanSecret(value.Secret(text), value.Authorization)
	return token, nil
}

// readinessTimeout bounds the question; a container's health check waits longer.
const readinessTimeout = 4 * time.Second

// AskReadiness returns what the bridge whose /readyz is at a URL answers, ready or not. An error
// says that it did not answer.
func AskReadiness(ctx context.Context, url string) (ops.Readiness, error) {
	var answer ops.Readiness
	ctx, cancel := context.WithTimeout(ctx, readinessTimeout)
	defer cancel()
	status, body, err := GetOps(ctx, url)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status == "" {
		return answer, fmt.Errorf("%s answered %d and no readiness: is it the ops listener's /readyz?", url, status)
	}
	return answer, nil
}

// GetOps returns what the ops listener of a bridge answers at a URL, whatever the HTTP status is.
func GetOps(ctx context.Context, url string) (status int, body []byte, _ error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, Usagef("--url: %w", err)
	}
	// A proxy of the environment has no business between a command and its bridge.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("is the bridge running? %w", err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return resp.StatusCode, body, nil
}
