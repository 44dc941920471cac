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

	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// ReadToken returns the token of the server, from its value or its file; "" if it has none.
func (c Embedded) ReadToken() (string, error) {
	token, _, err := (Config{Embedded: c}).secret(embeddedTokenKey)
	return token, err
}

// shortestToken is how many bytes a token has at least that others than this host may try.
const shortestToken = 16

// WithDataDir returns the configuration with the token of the embedded server that a bridge has
// made in its data directory, if it is the one that clients need: if there is neither a
// NATS of your own nor a configured token.
func (c Config) WithDataDir(dir string) Config {
	file := filepath.Join(dir, datadir.NATSToken)
	if _, err := os.Stat(file); c.URL == "" && !c.Embedded.Open && !c.Embedded.hasToken() && err == nil {
		c.Embedded.TokenFile = file
	}
	return c
}

// EnsureToken returns the configuration with a token for the embedded server, which it makes in
// the data directory if none is configured and none is there. The file is for this
// user alone, and on stable storage when EnsureToken returns.
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

// tokenIsMade reports whether the token is one that the bridge made.
func (c Embedded) tokenIsMade() bool { return filepath.Base(c.TokenFile) == datadir.NATSToken }

// warnings says what lets more in than a careful operator wants.
func (c Embedded) warnings() (all []string) {
	host, _, err := c.HostPort()
	if c.Open {
		all = append(all, fmt.Sprintf("nats.embedded.open: true: every process that reaches %s may read, forge and remove events", c.Addr))
	}
	if token, _ := c.ReadToken(); token != "" && len(token) < shortestToken {
		all = append(all, fmt.Sprintf("nats.embedded.token: the secret is short: use at least %d random bytes", shortestToken))
	}
	if err == nil && !isLoopback(host) && c.TLS.CertFile == "" && c.AllowPlaintext {
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
