package listen

import (
	"crypto/tls"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

// issuer obtains and renews certificates.
type issuer struct {
	manager *autocert.Manager
	domains []string
	log     *zap.Logger

	mu     sync.Mutex
	until  map[string]time.Time // when the last certificate of a domain expires
	failed map[string]string    // why there is none, as it was logged
}

func newIssuer(c ACMEConfig, log *zap.Logger) (*issuer, error) {
	client := &acme.Client{DirectoryURL: c.Directory, UserAgent: "treble-bridge"}
	if c.CAFile != "" {
		pool, err := certificate.ReadPool(c.CAFile)
		if err != nil {
			return nil, err
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
		client.HTTPClient = &http.Client{Transport: transport, Timeout: time.Minute}
	}
	return &issuer{
		manager: &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(c.Cache), HostPolicy: autocert.HostWhitelist(c.Domains...),
			Email: c.Email, Client: client,
		},
		domains: c.Domains, log: log, until: map[string]time.Time{}, failed: map[string]string{},
	}, nil
}

// certificate implements GetCertificate of a tls.Config. A client that names no server gets the
// first domain's.
func (i *issuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	challenge := slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto})
	if hello.ServerName == "" && !challenge {
		hello.ServerName = i.domains[0]
	}
	c, err := i.manager.GetCertificate(hello)
	if !challenge && slices.Contains(i.domains, hello.ServerName) {
		i.note(hello.ServerName, c, err)
	}
	return c, err
}

// note remembers what became of a domain, and logs it when it changes.
func (i *issuer) note(domain string, c *tls.Certificate, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err != nil:
		if i.failed[domain] != err.Error() {
			i.log.Error("no certificate: ingress.tls.acme", zap.String("domain", domain), zap.Error(err))
		}
		i.failed[domain] = err.Error()
	case c.Leaf != nil && !c.Leaf.NotAfter.Equal(i.until[domain]):
		i.log.Info("certificate", zap.String("domain", domain), zap.Time("expires", c.Leaf.NotAfter))
		i.until[domain] = c.Leaf.NotAfter
		delete(i.failed, domain)
	default:
		delete(i.failed, domain)
	}
}

// expiry returns the time at which the first certificate expires.
func (i *issuer) expiry() (first time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, until := range i.until {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

// start obtains the certificate of each domain, so that the first client does not wait for it. A
// failure is logged, and the next client tries again.
func (i *issuer) start() {
	go func() {
		for _, domain := range i.domains {
			_, _ = i.certificate(&tls.ClientHelloInfo{
				ServerName: domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
				SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			})
		}
	}()
}
