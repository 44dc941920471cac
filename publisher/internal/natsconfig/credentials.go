package natsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

// Credentials identify the client to NATS. They read each file again at each attempt to connect, so that
// a new password, credentials file or certificate needs no restart. Their methods may be called at
// the same time.
type Credentials struct {
	cfg  Config
	warn func(error)
	own  atomic.Pointer[ownConn]

	mu   sync.Mutex
	last map[string]string // the last good secret, by key
}

// NewCredentials returns the credentials of a configuration. It calls warn, from any goroutine, for
// each attempt to connect with a secret that cannot be read.
func NewCredentials(cfg Config, warn func(error)) *Credentials {
	return &Credentials{cfg: cfg, warn: warn, last: map[string]string{}}
}

// Options returns the credentials and the TLS for the user's NATS. An unusable file is an error of its
// option, and so of nats.Connect.
func (c *Credentials) Options() []nats.Option {
	cfg := c.cfg
	opts := cfg.placeOptions()
	switch given := cfg.Token != "" || cfg.TokenFile != ""; {
	case given && strings.Contains(cfg.URL, "@"):
		// The client takes no handler beside a URL with a user or a token in it, which wins.
		opts = append(opts, nats.Token(c.secret(tokenKey)))
	case given:
		opts = append(opts, nats.TokenHandler(func() string { return c.secret(tokenKey) }))
	}
	if cfg.User != "" {
		opts = append(opts, nats.UserInfoHandler(func() (string, string) { return cfg.User, c.secret(passwordKey) }))
	}
	if cfg.CredentialsFile != "" {
		opts = append(opts, nats.UserJWT(
			func() (string, error) { return readJWT(cfg.CredentialsFile) },
			func(nonce []byte) ([]byte, error) {
				return sign(nonce, "nats.credentials_file", cfg.CredentialsFile)
			}))
	}
	if cfg.NKeyFile != "" {
		opts = append(opts, c.nkey)
	}
	if cfg.TLS.CAFile != "" {
		opts = append(opts, func(o *nats.Options) error {
			secure(o)
			o.RootCAsCB = cfg.TLS.readCA
			_, err := cfg.TLS.readCA()
			return err
		})
	}
	if cfg.TLS.CertFile != "" {
		opts = append(opts, func(o *nats.Options) error {
			secure(o)
			o.TLSCertCB = cfg.TLS.readCert
			_, err := cfg.TLS.readCert()
			return err
		})
	}
	return opts
}

// EmbeddedOptions returns the credentials and the TLS for the embedded server of a bridge on this host.
// The client trusts only the certificate that the configuration names.
func (c *Credentials) EmbeddedOptions() (opts []nats.Option) {
	if c.cfg.Embedded.hasToken() {
		opts = append(opts, nats.TokenHandler(func() string { return c.secret(embeddedTokenKey) }))
	}
	if file := c.cfg.Embedded.TLS.CertFile; file != "" {
		opts = append(opts, func(o *nats.Options) error {
			pinned, err := certificate.Pinned(file)
			if err != nil {
				return fmt.Errorf("nats.embedded.tls.cert_file: %w", err)
			}
			o.Secure, o.TLSConfig = true, pinned
			o.RootCAsCB = func() (*x509.CertPool, error) { // at each attempt: it may have been renewed
				now, err := certificate.Pinned(file)
				if err != nil {
					return nil, fmt.Errorf("nats.embedded.tls.cert_file: %w", err)
				}
				return now.RootCAs, nil
			}
			return nil
		})
	}
	return opts
}

// ownConn holds the connection that signs with an NKey, once it exists.
type ownConn struct{ nc atomic.Pointer[nats.Conn] }

// Use tells the credentials the connection that was made with them last. See nkey.
func (c *Credentials) Use(nc *nats.Conn) {
	if own := c.own.Load(); own != nil {
		own.nc.Store(nc)
	}
}

// secret reads the secret of a key. If that fails, since its file is just being replaced, it returns the
// last good one.
func (c *Credentials) secret(key string) string {
	s, _, err := c.cfg.secret(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.warn(err)
		return c.last[key]
	}
	c.last[key] = s
	return s
}

// nkey sets the NKey. The client keeps the public key of its first connect, so that a new seed would sign
// for the old user. So nkey replaces it before each further attempt, in a callback that the client
// makes with its own lock held.
func (c *Credentials) nkey(o *nats.Options) error {
	public, err := readNKey(c.cfg.NKeyFile)
	if err != nil {
		return err
	}
	own := new(ownConn)
	c.own.Store(own)
	o.Nkey = public
	o.SignatureCB = func(nonce []byte) ([]byte, error) { return sign(nonce, "nats.nkey_file", c.cfg.NKeyFile) }
	o.ReconnectToServerCB = func([]nats.Server, nats.ServerInfo) (*nats.Server, time.Duration) {
		if nc := own.nc.Load(); nc != nil {
			if public, err := readNKey(c.cfg.NKeyFile); err == nil { // else sign fails, and says why
				nc.Opts.Nkey = public
			}
		}
		return nil, 0 // the client chooses the server and the time
	}
	return nil
}

// secure requires TLS.
func secure(o *nats.Options) {
	if o.TLSConfig == nil {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.Secure = true
}
