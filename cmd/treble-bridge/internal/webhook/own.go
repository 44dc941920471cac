package webhook

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

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
