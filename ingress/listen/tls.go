package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"

	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

// TLS holds the certificates that the listener uses now. It is safe for concurrent use.
type TLS struct {
	current atomic.Pointer[Settings]
	acme    *issuer // nil: the certificate is in files
}

// Settings is a TLSConfig with its files read and checked.
type Settings struct {
	config *tls.Config
	leaf   *x509.Certificate // nil with ACME
}

// NewTLS reads the files of a configuration that is valid, and has TLS.
func NewTLS(c TLSConfig, log *zap.Logger) (*TLS, error) {
	t := new(TLS)
	if c.ACME.enabled() {
		var err error
		if t.acme, err = newIssuer(c.ACME, log); err != nil {
			return nil, fmt.Errorf("ingress.tls.acme: %w", err)
		}
	}
	s, err := t.Load(c)
	if err != nil {
		return nil, err
	}
	t.Use(s)
	return t, nil
}

// Load reads the files of a configuration again. What is returned counts when it is given to
// Use. ACME stays as it was at the start.
func (t *TLS) Load(c TLSConfig) (*Settings, error) {
	// Go's own choice of cipher suites and curves is the modern one.
	s := &Settings{config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}}
	if t.acme != nil {
		s.config.GetCertificate = t.acme.certificate
		s.config.NextProtos = append(s.config.NextProtos, acme.ALPNProto)
	} else {
		pair, err := c.files().Load()
		if err != nil {
			return nil, fmt.Errorf("ingress.tls.cert_file: %w", err)
		}
		s.leaf, s.config.Certificates = pair.Leaf, []tls.Certificate{*pair}
	}
	if c.ClientCA != "" {
		pool, err := certificate.ReadPool(c.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("ingress.tls.client_ca: %w", err)
		}
		s.config.ClientCAs, s.config.ClientAuth = pool, tls.VerifyClientCertIfGiven
		// A session that is resumed is not verified again: an authority that was taken away would
		// count as long as its tickets.
		s.config.SessionTicketsDisabled = true
	}
	return s, nil
}

// CheckTime returns an error if the certificate in files is not valid now. A listener starts
// with it all the same, and does not exchange a good one for it.
func (s *Settings) CheckTime(now time.Time) error {
	if s.leaf == nil {
		return nil
	}
	if err := certificate.CheckTime(s.leaf, now); err != nil {
		return fmt.Errorf("ingress.tls.cert_file: %w", err)
	}
	return nil
}

// Use makes the settings those of every handshake from now on. Connections that are established
// keep theirs.
func (t *TLS) Use(s *Settings) { t.current.Store(s) }

// config returns the configuration of a handshake that begins now.
func (t *TLS) config() *tls.Config { return t.current.Load().config }

// Expiry returns the time at which the certificate in use expires, the first of several; the zero
// time if there is none yet.
func (t *TLS) Expiry() time.Time {
	if t.acme != nil {
		return t.acme.expiry()
	}
	return t.current.Load().leaf.NotAfter
}

// Start obtains certificates that are missing, if they come from an ACME server, which has to
// reach the listener for it. It returns at once.
func (t *TLS) Start() {
	if t.acme != nil {
		t.acme.start()
	}
}
