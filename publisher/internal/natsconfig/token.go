package natsconfig

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// ReadToken returns the token of the server, from its value or its file; "" if it has none.
func (c Embedded) ReadToken() (string, error) {
	token, _, err := (Config{Embedded: c}).secret(embeddedTokenKey)
	return token, err
}

// shortestToken is the least length, in bytes, of a token that other hosts can guess at.
const shortestToken = 16

// WithDataDir returns the configuration with the token that a bridge made in its data directory, if
// clients need it: without nats.url, without a configured token, and without nats.embedded.open.
func (c Config) WithDataDir(dir string) Config {
	file := filepath.Join(dir, datadir.NATSToken)
	if _, err := os.Stat(file); c.URL == "" && !c.Embedded.Open && !c.Embedded.hasToken() && err == nil {
		c.Embedded.TokenFile = file
	}
	return c
}

// EnsureToken returns the configuration with a token for the embedded server. If none is configured
// and the data directory has none, it makes one there. Only this user may read the file, which is on
// stable storage when EnsureToken returns.
func (c Config) EnsureToken(dir string) (Config, error) {
	if c.URL != "" || c.Embedded.Open || c.Embedded.hasToken() {
		return c, nil
	}
	_, err := os.Stat(filepath.Join(dir, datadir.NATSToken))
	if errors.Is(err, fs.ErrNotExist) {
		// Letters and digits alone, so that it can stand in a URL.
		err = datadir.WriteFile(dir, datadir.NATSToken, []byte(strings.ToLower(rand.Text())+"\n"))
	}
	if err != nil {
		return c, fmt.Errorf("data_dir: the token of the embedded nats-server: %w", err)
	}
	return c.WithDataDir(dir), nil
}

// tokenIsMade reports whether the bridge made the token.
func (c Embedded) tokenIsMade() bool { return filepath.Base(c.TokenFile) == datadir.NATSToken }

// warnings describes settings that let in more clients than a careful operator wants.
func (c Embedded) warnings() (all []string) {
	host, _, err := c.HostPort()
	if c.Open {
		all = append(all, fmt.Sprintf("nats.embedded.open: true: every process that reaches %s may read, forge and remove events", c.Addr))
	}
	if token, _ := c.ReadToken(); token != "" && len(token) < shortestToken {
		all = append(all, fmt.Sprintf("nats.embedded.token: the secret is short: use at least %d random bytes", shortestToken))
	}
	if err == nil && !value.IsLoopback(host) && c.TLS.CertFile == "" && c.AllowPlaintext {
		all = append(all, fmt.Sprintf("nats.embedded.allow_plaintext: true: token and events cross the network in the clear to whoever connects to %s", c.Addr))
	}
	if c.TLS.CertFile != "" {
		if pair, err := c.TLS.Files().Load(); err == nil {
			if err := certificate.CheckTime(pair.Leaf, time.Now()); err != nil {
				all = append(all, "nats.embedded.tls.cert_file: "+err.Error())
			}
		}
	}
	return all
}
