package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// addrs are the addresses really bound, each host:port.
type addrs struct {
	Ingress string `json:"ingress"`
	Ops     string `json:"ops"`
	NATS    string `json:"nats,omitempty"` // only of the embedded server
}

// write writes the file so that a reader sees all of it or nothing.
func (a addrs) write(path string) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'), 0o644)
}

// writeFile replaces a file in one step.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed, as it should
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readAddrs returns the addresses of the bridge that runs on this data_dir. The
// zero value, without an error, means that none does.
func readAddrs(dataDir string) (addrs, error) {
	var a addrs
	path := filepath.Join(dataDir, datadir.Addrs)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return addrs{}, fmt.Errorf("read addresses of the running bridge: %w", err)
	}
	return a, nil
}

// dialable turns an address to listen on into one to connect to: every host
// becomes this one.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// clientAddrs returns where the client commands find the bridge: the addresses
// of the running one, else those of the configuration.
func clientAddrs(c *config.Config) (addrs, error) {
	a, err := readAddrs(c.DataDir)
	if err != nil {
		return addrs{}, err
	}
	for _, x := range []struct {
		addr     *string
		fallback string
	}{{&a.Ingress, c.Ingress.Addr}, {&a.Ops, c.Ops.Addr}, {&a.NATS, c.NATS.Embedded.Addr}} {
		if *x.addr == "" {
			*x.addr = x.fallback
		}
		*x.addr = dialable(*x.addr)
	}
	return a, nil
}
