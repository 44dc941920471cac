// Package natsconfig configures the connection to NATS: servers, credentials, TLS, and the place of JetStream.
// It checks this part of the configuration, and makes options of nats.go of it.
package natsconfig

import (
	"net/url"
	"strings"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

// Config selects the embedded server, or servers of the user.
type Config struct {
	URL             string       `mapstructure:"url" doc:"URLs of your NATS servers, joined by commas; empty: an embedded server"`
	Token           value.Secret `mapstructure:"token" doc:"token for your NATS"`
	TokenFile       string       `mapstructure:"token_file" doc:"file with the token"`
	User            string       `mapstructure:"user" doc:"user for your NATS"`
	Password        value.Secret `mapstructure:"password" doc:"password of the user"`
	PasswordFile    string       `mapstructure:"password_file" doc:"file with the password"`
	CredentialsFile string       `mapstructure:"credentials_file" doc:"credentials file (JWT and seed) for your NATS"`
	NKeyFile        string       `mapstructure:"nkey_file" doc:"NKey seed file for your NATS"`
	TLS             TLS          `mapstructure:"tls"`
	JetStreamDomain string       `mapstructure:"jetstream_domain" doc:"domain of the JetStream that has the streams, if it is behind a leaf node"`
	APIPrefix       string       `mapstructure:"api_prefix" doc:"prefix of the JetStream API, if another account exports it under another name than $JS.API"`
	InboxPrefix     string       `mapstructure:"inbox_prefix" doc:"first part of the subjects on which answers come; empty: _INBOX"`
	MaxPayload      value.Size   `mapstructure:"max_payload" doc:"size limit of a message until the server has told its own"`
	Embedded        Embedded     `mapstructure:"embedded"`
}

// TLS configures the connection to the user's NATS.
type TLS struct {
	CAFile         string `mapstructure:"ca_file" doc:"certificate authorities that sign your NATS servers; empty: the system's"`
	CertFile       string `mapstructure:"cert_file" doc:"client certificate"`
	KeyFile        string `mapstructure:"key_file" doc:"key of the client certificate"`
	HandshakeFirst bool   `mapstructure:"handshake_first" doc:"begin with TLS instead of waiting for the server, which must have handshake_first too"`
}

// Embedded configures the server inside this process.
type Embedded struct {
	Addr           string       `mapstructure:"addr" doc:"address on which the embedded NATS server listens; port 0 takes a free one"`
	Token          value.Secret `mapstructure:"token" doc:"token that clients of the embedded server must give, at least 16 bytes if its address is not loopback; empty: one that is made, in data_dir/nats-token"`
	TokenFile      string       `mapstructure:"token_file" doc:"file with the token"`
	Open           bool         `mapstructure:"open" doc:"let every process of this host in without a token; only for a loopback address"`
	TLS            EmbeddedTLS  `mapstructure:"tls"`
	AllowPlaintext bool         `mapstructure:"allow_plaintext" doc:"listen without TLS on an address that is not loopback; only for a network that you trust"`
}

// EmbeddedTLS configures the listener of the embedded server.
type EmbeddedTLS struct {
	CertFile string `mapstructure:"cert_file" doc:"certificate of the embedded server, in PEM, with its intermediate certificates; required if its address is not loopback"`
	KeyFile  string `mapstructure:"key_file" doc:"key of the certificate"`
}

// Files returns the paths of the certificate and of its key.
func (t EmbeddedTLS) Files() certificate.Files {
	return certificate.Files{Certificate: t.CertFile, Key: t.KeyFile}
}

// Default returns the documented defaults.
func Default() Config {
	return Config{
		MaxPayload: value.MiB,
		Embedded:   Embedded{Addr: "127.0.0.1:4222"},
	}
}

// Servers parses the entries of URL. An entry without a scheme gets nats; an entry that is no URL gives
// nil. The results contain the secrets of the entries.
func (c Config) Servers() (servers []*url.URL) {
	if c.URL == "" {
		return nil
	}
	for text := range strings.SplitSeq(c.URL, ",") {
		if text = strings.TrimSpace(text); !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			u = nil
		}
		servers = append(servers, u)
	}
	return servers
}
