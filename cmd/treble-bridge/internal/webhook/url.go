package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/ingress"
)

// PathOf is the path to which the client commands post: the first one
// that is not a pattern. Of a source with a secret in its path the * stands for the secret.
func PathOf(c *config.Config) string {
	for _, s := range c.EffectiveSources() {
		if p := ConcretePath(s); slices.Contains(s.Paths, p) {
			return p
		}
	}
	return "/webhook"
}

// ConcretePath is a path that a source serves: the first one that is no pattern, or else one that
// its first pattern matches.
func ConcretePath(s ingress.SourceConfig) string {
	for _, p := range s.Paths {
		if !strings.Contains(p, "*") {
			return p
		}
	}
	if s.Auth.HasPath() {
		return s.Paths[0] // auth.Signer puts the secret in place of the *
	}
	return strings.Replace(s.Paths[0], "*", "probe", 1)
}

// ParseURL reads the URL of a flag. The error does not repeat it: it may hold a secret.
func ParseURL(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, cli.Usagef("%s: use http://host:port/path or https://host/path", flag)
	}
	return u, nil
}

// OwnURL is the listener of the bridge that is configured, at host:port.
func OwnURL(c *config.Config, host string) *url.URL {
	u := &url.URL{Scheme: "http", Host: host}
	if c.Ingress.TLS.Enabled() {
		u.Scheme = "https"
	}
	return u
}

// TrustOwn makes a client trust the certificate of the bridge that is configured, and no other. It reaches the
// bridge by an address that is not in the certificate. The client must be one of NewClient.
func TrustOwn(client *http.Client, c *config.Config) error {
	tls := c.Ingress.TLS.InDataDir(c.DataDir)
	if !tls.Enabled() {
		return nil
	}
	pinned, err := certificate.Pinned(tls.File())
	if err != nil {
		return fmt.Errorf("the certificate of the bridge: %w", err)
	}
	client.Transport.(*http.Transport).TLSClientConfig = pinned
	return nil
}
