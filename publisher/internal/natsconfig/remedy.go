package natsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
)

// Remedy tells the operator how to mend a failed attempt to connect; "" if only waiting helps.
func (c Config) Remedy(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case LoginRefused(err):
		where := c.CredentialKey()
		if c.URL == "" && c.Embedded.tokenIsMade() {
			where = c.Embedded.TokenFile // no key names it
		}
		return fmt.Sprintf("NATS does not know the user, or the secret is another: correct %s, or the user in NATS", where)
	case errors.As(err, &unknown):
		return "name the authority of the server's certificate in nats.tls.ca_file"
	case errors.As(err, &host):
		return "use a name in nats.url that stands in the server's certificate"
	case errors.As(err, &invalid):
		return "the server needs another certificate"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server has no TLS: use nats:// in nats.url, or set up TLS there"
	case errors.Is(err, nats.ErrSecureConnRequired):
		return "the server wants TLS: use tls:// in nats.url"
	case errors.As(err, &record):
		return "one side speaks TLS first and the other does not: see nats.tls.handshake_first"
	case strings.Contains(err.Error(), "remote error: tls:"):
		return "the server refuses the client's certificate: see nats.tls.cert_file"
	case errors.As(err, &dns):
		return "correct the name in nats.url, or the name server"
	}
	return ""
}

// CredentialKey returns the configuration key of the secret, or of its file, that the login uses.
func (c Config) CredentialKey() string {
	switch {
	case c.URL == "" && c.Embedded.TokenFile != "":
		return "nats.embedded.token_file"
	case c.URL == "":
		return "nats.embedded.token"
	case c.CredentialsFile != "":
		return "nats.credentials_file"
	case c.NKeyFile != "":
		return "nats.nkey_file"
	case c.PasswordFile != "":
		return "nats.password_file"
	case c.User != "":
		return "nats.password"
	case c.TokenFile != "":
		return "nats.token_file"
	case strings.Contains(c.URL, "@"):
		return "nats.url"
	}
	return "nats.token"
}

// LoginRefused reports whether the server rejected the credentials of the client.
func LoginRefused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAccountAuthExpired)
}
