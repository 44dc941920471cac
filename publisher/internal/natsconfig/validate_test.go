package natsconfig_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// TestValidate: each problem is told by its key, and no secret with it.
func TestValidate(t *testing.T) {
	issued := certtest.New(t).Issue(t, "bridge.test")
	pair := natsconfig.EmbeddedTLS{CertFile: issued.Certificate, KeyFile: issued.Key}
	dir := t.TempDir()
	short, other := filepath.Join(dir, "short"), filepath.Join(dir, "other")
	replace(t, short, "fifteen-bytes-x\n")
	replace(t, other, "hunter2")
	empty, blank, twoLines := filepath.Join(dir, "empty"), filepath.Join(dir, "blank"), filepath.Join(dir, "two-lines")
	replace(t, empty, "")
	replace(t, blank, "\n")
	replace(t, twoLines, "hunter2\nhunter3\n")
	for _, tt := range []struct {
		name   string
		change func(*natsconfig.Config)
		want   []string // parts of the error; none: valid
	}{
		{"defaults", func(*natsconfig.Config) {}, nil},
		{"embedded-reachable-without-tls", func(c *natsconfig.Config) { c.Embedded.Addr = ":4222" }, []string{"nats.embedded.addr: :4222", "nats.embedded.tls.cert_file", "nats.embedded.allow_plaintext"}},
		{"embedded-reachable-in-plaintext", func(c *natsconfig.Config) { c.Embedded.Addr, c.Embedded.AllowPlaintext = ":4222", true }, nil},
		{"embedded-reachable-with-tls", func(c *natsconfig.Config) { c.Embedded.Addr, c.Embedded.TLS = ":4222", pair }, nil},
		{"embedded-reachable-short-token", func(c *natsconfig.Config) {
			c.Embedded.Addr, c.Embedded.TLS, c.Embedded.Token = "0.0.0.0:4222", pair, "a"
		}, []string{"nats.embedded.token: has fewer than 16 bytes"}},
		{"embedded-reachable-short-in-file", func(c *natsconfig.Config) {
			c.Embedded.Addr, c.Embedded.TLS, c.Embedded.TokenFile = "0.0.0.0:4222", pair, short
		}, []string{"nats.embedded.token: has fewer than 16 bytes"}},
		{"embedded-reachable-open", func(c *natsconfig.Config) {
			c.Embedded.Addr, c.Embedded.TLS, c.Embedded.Open = "0.0.0.0:4222", pair, true
		}, []string{"nats.embedded.open: 0.0.0.0:4222"}},
		{"embedded-open", func(c *natsconfig.Config) { c.Embedded.Open = true }, nil},
		{"embedded-open-with-token", func(c *natsconfig.Config) { c.Embedded.Open, c.Embedded.Token = true, "t" }, []string{"nats.embedded.open: true, but there is a token"}},
		{"embedded-short-on-loopback", func(c *natsconfig.Config) { c.Embedded.Token = "a" }, nil}, // a warning
		{"embedded-half-tls", func(c *natsconfig.Config) { c.Embedded.TLS.CertFile = "f" }, []string{"nats.embedded.tls: cert_file and key_file"}},
		{"embedded-wrong-key", func(c *natsconfig.Config) {
			c.Embedded.TLS = natsconfig.EmbeddedTLS{CertFile: pair.CertFile, KeyFile: pair.CertFile}
		}, []string{"nats.embedded.tls: "}},
		{"embedded-localhost", func(c *natsconfig.Config) { c.Embedded.Addr = "localhost:0" }, nil},
		{"embedded-ipv6-loopback", func(c *natsconfig.Config) { c.Embedded.Addr = "[::1]:4222" }, nil},
		{"embedded-no-port", func(c *natsconfig.Config) { c.Embedded.Addr = "127.0.0.1" }, []string{"nats.embedded.addr"}},
		{"embedded-unused", func(c *natsconfig.Config) { c.URL, c.Embedded.Addr = "nats://a:4222", ":4222" }, nil},
		{"token-twice", func(c *natsconfig.Config) { c.Embedded.Token, c.Embedded.TokenFile = "t", "f" }, []string{"nats.embedded.token"}},
		{"urls", func(c *natsconfig.Config) { c.URL = "nats://a:1, tls://b:2,c:3" }, nil},
		{"bad-url", func(c *natsconfig.Config) { c.URL = "nats://a:1,http://u:hunter2@b\x7f" }, []string{"nats.url: entry 2"}},
		{"url-scheme", func(c *natsconfig.Config) { c.URL = "http://a:1" }, []string{"nats.url", "http"}},
		{"url-slash-in-password", func(c *natsconfig.Config) { c.URL = "nats://hunter2/x@a:1" }, []string{"nats.url: entry 1", "%2F"}},
		{"two-ways", func(c *natsconfig.Config) { c.URL, c.Token, c.User = "a:1", "t", "u" }, []string{"use one of"}},
		{"password-alone", func(c *natsconfig.Config) { c.URL, c.Password = "a:1", "hunter2" }, []string{"nats.user"}},
		{"token-without-url", func(c *natsconfig.Config) { c.Token = "t" }, []string{"nats.token", "nats.embedded.token"}},
		{"websockets", func(c *natsconfig.Config) { c.URL = "ws://a:80,wss://b" }, nil},
		{"websocket-and-not", func(c *natsconfig.Config) { c.URL = "wss://a,nats://b:4222" }, []string{"nats.url: websocket URLs"}},
		{"domain", func(c *natsconfig.Config) { c.URL, c.JetStreamDomain = "a:1", "hub" }, nil},
		{"domain-with-a-dot", func(c *natsconfig.Config) { c.URL, c.JetStreamDomain = "a:1", "hub.x" }, []string{"nats.jetstream_domain"}},
		{"api-prefix", func(c *natsconfig.Config) { c.URL, c.APIPrefix = "a:1", "JS.treble." }, nil},
		{"api-prefix-with-a-wildcard", func(c *natsconfig.Config) { c.URL, c.APIPrefix = "a:1", "$JS.*.API" }, []string{"nats.api_prefix"}},
		{"domain-and-prefix", func(c *natsconfig.Config) { c.URL, c.JetStreamDomain, c.APIPrefix = "a:1", "hub", "JS" }, []string{"nats.jetstream_domain", "one of the two"}},
		{"inbox", func(c *natsconfig.Config) { c.URL, c.InboxPrefix = "a:1", "_INBOX_bridge" }, nil},
		{"inbox-with-a-dot", func(c *natsconfig.Config) { c.URL, c.InboxPrefix = "a:1", "_INBOX." }, []string{"nats.inbox_prefix"}},
		{"handshake-first", func(c *natsconfig.Config) { c.URL, c.TLS.HandshakeFirst = "tls://a:1", true }, nil},
		{"handshake-first-of-a-websocket", func(c *natsconfig.Config) { c.URL, c.TLS.HandshakeFirst = "wss://a:1", true }, []string{"nats.tls.handshake_first"}},
		{"place-of-the-embedded", func(c *natsconfig.Config) { c.JetStreamDomain, c.InboxPrefix = "hub", "i" }, []string{"nats.jetstream_domain", "nats.inbox_prefix", "nats.url is empty"}},
		{"half-tls", func(c *natsconfig.Config) { c.TLS.CertFile = "c" }, []string{"nats.tls"}},
		{"embedded-token-file-empty", func(c *natsconfig.Config) { c.Embedded.TokenFile = empty }, []string{"nats.embedded.token_file"}},
		{"embedded-token-file-blank", func(c *natsconfig.Config) { c.Embedded.TokenFile = blank }, []string{"nats.embedded.token_file"}},
		{"embedded-token-file-of-two-lines", func(c *natsconfig.Config) { c.Embedded.TokenFile = twoLines }, []string{"nats.embedded.token_file"}},
		{"embedded-token-file-missing", func(c *natsconfig.Config) { c.Embedded.TokenFile = dir + "/x" }, []string{"nats.embedded.token_file"}},
		{"max-payload", func(c *natsconfig.Config) { c.MaxPayload = 0 }, []string{"nats.max_payload"}},
		{"credentials-of-another-form", func(c *natsconfig.Config) { c.URL, c.CredentialsFile = "a:1", other }, []string{"nats.credentials_file: " + other + " is no credentials file"}},
		{"credentials-missing", func(c *natsconfig.Config) { c.URL, c.CredentialsFile = "a:1", dir+"/x" }, []string{"nats.credentials_file: open"}},
		{"nkey-of-another-form", func(c *natsconfig.Config) { c.URL, c.NKeyFile = "a:1", other }, []string{"nats.nkey_file: " + other + " holds no seed"}},
		{"ca-of-another-form", func(c *natsconfig.Config) { c.URL, c.TLS.CAFile = "a:1", other }, []string{"nats.tls.ca_file: " + other + ": holds no certificate"}},
		{"certificate-of-another-form", func(c *natsconfig.Config) { c.URL, c.TLS.CertFile, c.TLS.KeyFile = "a:1", other, other }, []string{"nats.tls: cert_file and key_file"}},
		{"blank-token", func(c *natsconfig.Config) { c.URL, c.Token = "a:1", "\n" }, []string{"nats.token: has nothing but white space"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := natsconfig.Default()
			tt.change(&c)
			err := c.Validate()
			if len(tt.want) == 0 && err != nil {
				t.Errorf("got %v, want none", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to name %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestReadToken(t *testing.T) {
	c := natsconfig.Embedded{TokenFile: filepath.Join(t.TempDir(), "token")}
	replace(t, c.TokenFile, "  tok\n")
	if s, err := c.ReadToken(); err != nil || s != "tok" {
		t.Errorf("got %q, %v, want tok", s, err)
	}
}
