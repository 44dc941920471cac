package publisher_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher"
)

func TestValidate(t *testing.T) {
	type both struct {
		publisher.Config
		publisher.NATSConfig
	}
	issued := certtest.New(t).Issue(t, "bridge.test")
	pair := publisher.EmbeddedTLSConfig{CertFile: issued.Certificate, KeyFile: issued.Key}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("fifteen-bytes-x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*both)
		want   []string // parts of the error; none: valid
	}{
		{"defaults", func(*both) {}, nil},
		{"ack-unknown", func(c *both) { c.Ack = "disk" }, []string{"publisher.ack", "journal", "stream"}},
		{"all-at-once", func(c *both) {
			c.Ack, c.Stream, c.SubjectPrefix, c.Streams, c.Discard, c.Replicas = "x", "a.b", "A", "y", "z", 2
		},
			[]string{"publisher.ack", "publisher.stream:", "publisher.subject_prefix", "publisher.streams", "publisher.discard", "publisher.replicas"}},
		{"negative", func(c *both) { c.AckTimeout, c.MaxAge, c.MaxBytes, c.DuplicateWindow = 0, -1, -1, 0 },
			[]string{"publisher.ack_timeout", "publisher.max_age", "publisher.max_bytes", "publisher.duplicate_window"}},
		{"window-over-age", func(c *both) { c.MaxAge = time.Minute }, []string{"publisher.duplicate_window", "publisher.max_age"}},
		{"embedded-reachable-without-tls", func(c *both) { c.Embedded.Addr = ":4222" }, []string{"nats.embedded.addr: :4222", "nats.embedded.tls.cert_file", "nats.embedded.allow_plaintext"}},
		{"embedded-reachable-in-plaintext", func(c *both) { c.Embedded.Addr, c.Embedded.AllowPlaintext = ":4222", true }, nil},
		{"embedded-reachable-with-tls", func(c *both) { c.Embedded.Addr, c.Embedded.TLS = ":4222", pair }, nil},
		{"embedded-reachable-short-token", func(c *both) { c.Embedded.Addr, c.Embedded.TLS, c.Embedded.Token = "0.0.0.0:4222", pair, "a" }, []string{"nats.embedded.token: has fewer than 16 bytes"}},
		{"embedded-reachable-short-in-file", func(c *both) { c.Embedded.Addr, c.Embedded.TLS, c.Embedded.TokenFile = "0.0.0.0:4222", pair, short }, []string{"nats.embedded.token: has fewer than 16 bytes"}},
		{"embedded-reachable-open", func(c *both) { c.Embedded.Addr, c.Embedded.TLS, c.Embedded.Open = "0.0.0.0:4222", pair, true }, []string{"nats.embedded.open: 0.0.0.0:4222"}},
		{"embedded-open", func(c *both) { c.Embedded.Open = true }, nil},
		{"embedded-open-with-token", func(c *both) { c.Embedded.Open, c.Embedded.Token = true, "t" }, []string{"nats.embedded.open: true, but there is a token"}},
		{"embedded-short-on-loopback", func(c *both) { c.Embedded.Token = "a" }, nil}, // a warning
		{"embedded-half-tls", func(c *both) { c.Embedded.TLS.CertFile = "f" }, []string{"nats.embedded.tls: cert_file and key_file"}},
		{"embedded-wrong-key", func(c *both) {
			c.Embedded.TLS = publisher.EmbeddedTLSConfig{CertFile: pair.CertFile, KeyFile: pair.CertFile}
		}, []string{"nats.embedded.tls: "}},
		{"embedded-localhost", func(c *both) { c.Embedded.Addr = "localhost:0" }, nil},
		{"embedded-ipv6-loopback", func(c *both) { c.Embedded.Addr = "[::1]:4222" }, nil},
		{"embedded-no-port", func(c *both) { c.Embedded.Addr = "127.0.0.1" }, []string{"nats.embedded.addr"}},
		{"embedded-unused", func(c *both) { c.URL, c.Embedded.Addr = "nats://a:4222", ":4222" }, nil},
		{"token-twice", func(c *both) { c.Embedded.Token, c.Embedded.TokenFile = "t", "f" }, []string{"nats.embedded.token"}},
		{"urls", func(c *both) { c.URL = "nats://a:1, tls://b:2,c:3" }, nil},
		{"bad-url", func(c *both) { c.URL = "nats://a:1,http://u:hunter2@b\x7f" }, []string{"nats.url: entry 2"}},
		{"url-scheme", func(c *both) { c.URL = "http://a:1" }, []string{"nats.url", "http"}},
		{"url-slash-in-password", func(c *both) { c.URL = "nats://hunter2/x@a:1" }, []string{"nats.url: entry 1", "%2F"}},
		{"two-ways", func(c *both) { c.URL, c.NATSConfig.Token, c.User = "a:1", "t", "u" }, []string{"use one of"}},
		{"password-alone", func(c *both) { c.URL, c.Password = "a:1", "hunter2" }, []string{"nats.user"}},
		{"token-without-url", func(c *both) { c.NATSConfig.Token = "t" }, []string{"nats.token", "nats.embedded.token"}},
		{"websockets", func(c *both) { c.URL = "ws://a:80,wss://b" }, nil},
		{"websocket-and-not", func(c *both) { c.URL = "wss://a,nats://b:4222" }, []string{"nats.url: websocket URLs"}},
		{"domain", func(c *both) { c.URL, c.JetStreamDomain = "a:1", "hub" }, nil},
		{"domain-with-a-dot", func(c *both) { c.URL, c.JetStreamDomain = "a:1", "hub.x" }, []string{"nats.jetstream_domain"}},
		{"api-prefix", func(c *both) { c.URL, c.APIPrefix = "a:1", "JS.treble." }, nil},
		{"api-prefix-with-a-wildcard", func(c *both) { c.URL, c.APIPrefix = "a:1", "$JS.*.API" }, []string{"nats.api_prefix"}},
		{"domain-and-prefix", func(c *both) { c.URL, c.JetStreamDomain, c.APIPrefix = "a:1", "hub", "JS" }, []string{"nats.jetstream_domain", "one of the two"}},
		{"inbox", func(c *both) { c.URL, c.InboxPrefix = "a:1", "_INBOX_bridge" }, nil},
		{"inbox-with-a-dot", func(c *both) { c.URL, c.InboxPrefix = "a:1", "_INBOX." }, []string{"nats.inbox_prefix"}},
		{"handshake-first", func(c *both) { c.URL, c.TLS.HandshakeFirst = "tls://a:1", true }, nil},
		{"handshake-first-of-a-websocket", func(c *both) { c.URL, c.TLS.HandshakeFirst = "wss://a:1", true }, []string{"nats.tls.handshake_first"}},
		{"place-of-the-embedded", func(c *both) { c.JetStreamDomain, c.InboxPrefix = "hub", "i" }, []string{"nats.jetstream_domain", "nats.inbox_prefix", "nats.url is empty"}},
		{"bounds", func(c *both) {
			c.QuarantineMaxAge, c.QuarantineMaxBytes, c.ReplayMaxAge, c.ReplayMaxBytes, c.AuditMaxBytes = -1, -1, 1, -1, -1
		},
			[]string{"publisher.quarantine_max_age", "publisher.quarantine_max_bytes", "publisher.replay_max_age", "publisher.replay_max_bytes", "publisher.audit_max_bytes"}},
		{"half-tls", func(c *both) { c.TLS.CertFile = "c" }, []string{"nats.tls"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := both{publisher.DefaultConfig(), publisher.DefaultNATSConfig()}
			tt.change(&c)
			var got string
			for _, err := range []error{c.Config.Validate(), c.NATSConfig.Validate()} {
				if err != nil {
					got += err.Error() + "\n"
				}
			}
			if len(tt.want) == 0 && got != "" {
				t.Errorf("got %q, want none", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want it to name %q", got, want)
				}
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the error holds a password: %q", got)
			}
		})
	}
}

func TestValidateJournal(t *testing.T) {
	if err := publisher.DefaultJournalConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	err := publisher.JournalConfig{MaxBytes: 1024, Reserve: -1, Retain: -1}.Validate()
	for _, key := range []string{"journal.max_bytes", "journal.reserve", "journal.retain"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want it to name %s", err, key)
		}
	}
}
