// Package certificate keeps a certificate and its key, read from two files, and exchanges
// them for new ones while connections live on.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// Files name a certificate and its key, both in PEM. The certificate's file holds the
// intermediate certificates too, behind its own.
type Files struct {
	Certificate string
	Key         string
}

// Load reads the files and checks that they belong together. The error names the files, and
// never what is in them. See [CheckTime] for whether the certificate is valid now.
func (f Files) Load() (*tls.Certificate, error) {
	cert, certErr := value.ReadFile(f.Certificate)
	key, keyErr := value.ReadFile(f.Key)
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.Certificate, f.Key, err)
	}
	if pair.Leaf == nil { // GODEBUG x509keypairleaf=0
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Certificate, err)
		}
	}
	return &pair, nil
}

// CheckTime returns an error if a certificate is not valid at a time. A bridge starts with
// one that expired, since its journal may hold events, and takes none over while it runs.
func CheckTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired at %s: renew it", c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is valid from %s on: check the clock", c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// Pair is the certificate that is in use. Its methods may be called at the same time.
type Pair struct {
	current atomic.Pointer[tls.Certificate]
}

// NewPair returns a pair that uses c.
func NewPair(c *tls.Certificate) *Pair {
	p := new(Pair)
	p.Use(c)
	return p
}

// Use makes c the certificate of every handshake from now on. Connections that are
// established keep theirs.
func (p *Pair) Use(c *tls.Certificate) { p.current.Store(c) }

// GetCertificate has the form of the field of [tls.Config].
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.current.Load(), nil
}

// Pinned returns what a client on the same host needs to trust exactly the certificate in
// the file, by whatever address it connects: the name that it has to ask for is the certificate's own.
func Pinned(file string) (*tls.Config, error) {
	leaf, err := ReadLeaf(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	name := leaf.Subject.CommonName
	switch {
	case len(leaf.DNSNames) > 0:
		name = leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		name = leaf.IPAddresses[0].String()
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: name}, nil
}
