package listen

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

// TLSConfig is the TLS of the public listener: a certificate in files, or one from an
// ACME server. Without either the listener speaks plain HTTP.
type TLSConfig struct {
	CertFile string     `mapstructure:"cert_file" doc:"certificate of the public listener, in PEM, with its intermediate certificates; with it the listener speaks HTTPS (TLS 1.2 and 1.3, HTTP/2); empty: plain HTTP"`
	KeyFile  string     `mapstructure:"key_file" doc:"key of the certificate"`
	ClientCA string     `mapstructure:"client_ca" doc:"file with the authorities of client certificates, in PEM; a client may show one, and one of another authority is refused; who has to show one is said by auth.mtls"`
	ACME     ACMEConfig `mapstructure:"acme"`
}

// ACMEConfig is a certificate that is obtained and renewed by itself (RFC 8555), with the
// challenge TLS-ALPN-01: the listener must be reached on port 443 of each domain.
type ACMEConfig struct {
	Domains     []string `mapstructure:"domains" doc:"domains to obtain a certificate for, instead of cert_file; each must lead to this listener on port 443"`
	AcceptTerms bool     `mapstructure:"accept_terms" doc:"accept the terms of service of the ACME server"`
	Email       string   `mapstructure:"email" doc:"address that the ACME server may write to; may be empty"`
	Directory   string   `mapstructure:"directory" doc:"URL of the ACME server"`
	CAFile      string   `mapstructure:"ca_file" doc:"certificate authorities that sign the ACME server's own certificate; empty: the system's"`
	Cache       string   `mapstructure:"cache" doc:"directory of the account's key and of certificates; empty: acme in data_dir"`
}

// DefaultTLSConfig returns the documented defaults.
func DefaultTLSConfig() TLSConfig {
	return TLSConfig{ACME: ACMEConfig{Directory: autocert.DefaultACMEDirectory}}
}

// Enabled reports whether the listener speaks TLS.
func (c TLSConfig) Enabled() bool { return c.CertFile != "" || c.ACME.enabled() }

func (c ACMEConfig) enabled() bool { return len(c.Domains) > 0 }

// Validate returns every problem, joined, each with its key below the given one, such as
// "ingress.tls". It reads the files that are named.
func (c TLSConfig) Validate(key string) error {
	var p value.Problems
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		p.Add(key+".cert_file", "belongs together with key_file: set both or none")
	case c.CertFile != "" && c.ACME.enabled():
		p.Add(key+".acme.domains", "are set, and cert_file too: use one of them")
	case c.CertFile != "":
		if _, err := c.files().Load(); err != nil {
			p.Add(key+".cert_file", "%w", err)
		}
	}
	if c.ClientCA != "" {
		if !c.Enabled() {
			p.Add(key+".client_ca", "is set, but the listener speaks no TLS: set cert_file and key_file, or acme.domains")
		} else if _, err := certificate.ReadPool(c.ClientCA); err != nil {
			p.Add(key+".client_ca", "%w", err)
		}
	}
	if c.ACME.enabled() {
		c.ACME.validate(&p, key)
	}
	return p.Err()
}

func (c ACMEConfig) validate(p *value.Problems, key string) {
	for i, d := range c.Domains {
		if d == "" || strings.ContainsAny(d, "*:/ ") || !strings.Contains(strings.Trim(d, "."), ".") {
			p.Add(fmt.Sprintf("%s.acme.domains[%d]", key, i), "%q is no domain: use one such as bridge.example.com; TLS-ALPN-01 knows no wildcards", d)
		}
	}
	if !c.AcceptTerms {
		p.Add(key+".acme.accept_terms", "is false: read the terms of service of the ACME server, and set it to true")
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		p.Add(key+".acme.directory", "is no https URL: use that of your ACME server, such as %s", autocert.DefaultACMEDirectory)
	}
	if c.CAFile != "" {
		if _, err := certificate.ReadPool(c.CAFile); err != nil {
			p.Add(key+".acme.ca_file", "%w", err)
		}
	}
}

// Warnings returns what works, and not for long, each with its key below the given one.
func (c TLSConfig) Warnings(key string) []string {
	if c.CertFile == "" {
		return nil
	}
	pair, err := c.files().Load()
	if err != nil {
		return nil // Validate says it
	}
	if err := certificate.CheckTime(pair.Leaf, time.Now()); err != nil {
		return []string{fmt.Sprintf("%s.cert_file: %v", key, err)}
	}
	return nil
}

func (c TLSConfig) files() certificate.Files {
	return certificate.Files{Certificate: c.CertFile, Key: c.KeyFile}
}

// Files returns the files that a reload reads again.
func (c TLSConfig) Files() []string {
	return slices.DeleteFunc([]string{c.CertFile, c.KeyFile, c.ClientCA}, func(name string) bool { return name == "" })
}

// InDataDir returns the configuration with what is kept in the data directory, unless it says
// another place.
func (c TLSConfig) InDataDir(dir string) TLSConfig {
	if c.ACME.Cache == "" {
		c.ACME.Cache = filepath.Join(dir, "acme")
	}
	return c
}

// File is the one with the certificate, also if it comes from an ACME server: then that of the first
// domain, once it is there.
func (c TLSConfig) File() string {
	if c.ACME.enabled() {
		return filepath.Join(c.ACME.Cache, c.ACME.Domains[0])
	}
	return c.CertFile
}

// ValidateAddr returns what is wrong with an address to listen at, with its key.
func ValidateAddr(key, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not an address: use host:port or :port, such as 127.0.0.1:8080", key, addr)
	}
	return nil
}
