package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
)

// TestUseNATS: where a client command finds NATS, in the order of what it prefers.
func TestUseNATS(t *testing.T) {
	contexts := map[string]string{
		"prod": `{"url":"nats://prod:4222","creds":"~/prod.creds","ca":"/ca.pem","jetstream_domain":"hub","inbox_prefix":"_INBOX_ops","tls_first":true,"color_scheme":"x"}`,
		"bare": `{"description":"nothing said"}`,
		"nsc":  `{"url":"nats://x","nsc":"nsc://operator/account/user"}`,
		"bad":  `{"token":"s3cret"`,
	}
	for _, tt := range []struct {
		name    string
		args    []string
		env     map[string]string
		url     string // configured
		running bool   // a bridge with its embedded server
		doctor  bool
		want    publisher.NATSConfig
		err     string
	}{
		{name: "nothing"},
		{name: "configured", url: "nats://a", want: publisher.NATSConfig{URL: "nats://a"}},
		{name: "configured-before-the-environment", url: "nats://a", env: map[string]string{"NATS_URL": "nats://env", "NATS_CREDS": "/c"}, want: publisher.NATSConfig{URL: "nats://a"}},
		{name: "running-before-the-environment", running: true, env: map[string]string{"NATS_URL": "nats://env"}},
		{name: "environment", env: map[string]string{"NATS_URL": "nats://env", "NATS_CREDS": "/c"}, want: publisher.NATSConfig{URL: "nats://env", CredentialsFile: "/c"}},
		{name: "environment-with-a-user", env: map[string]string{"NATS_URL": "nats://env", "NATS_USER": "u", "NATS_PASSWORD": "p"}, want: publisher.NATSConfig{URL: "nats://env", User: "u", Password: "p"}},
		{name: "environment-for-doctor", doctor: true, env: map[string]string{"NATS_URL": "nats://env"}},
		{name: "context-of-the-environment", env: map[string]string{"NATS_CONTEXT": "bare", "NATS_URL": "nats://env"}, want: publisher.NATSConfig{URL: "nats://127.0.0.1:4222"}},
		{name: "context", args: []string{"--nats-context", "prod"}, url: "nats://a", running: true, want: publisher.NATSConfig{
			URL: "nats://prod:4222", CredentialsFile: "HOME/prod.creds", JetStreamDomain: "hub", InboxPrefix: "_INBOX_ops",
			TLS: publisher.TLSConfig{CAFile: "/ca.pem", HandshakeFirst: true}}},
		{name: "context-for-doctor", doctor: true, args: []string{"--nats-context", "bare"}, want: publisher.NATSConfig{URL: "nats://127.0.0.1:4222"}},
		{name: "context-and-url", args: []string{"--nats-context", "prod", "--nats-url", "x"}, err: "use one of them"},
		{name: "no-such-context", args: []string{"--nats-context", "none"}, err: "there is no nats context none"},
		{name: "not-a-name", args: []string{"--nats-context", "../../etc/passwd"}, err: "is no name"},
		{name: "nsc", args: []string{"--nats-context", "nsc"}, err: "has nsc, which is not supported"},
		{name: "malformed", args: []string{"--nats-context", "bad"}, err: "its file is no JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("XDG_CONFIG_HOME", "")
			for _, name := range []string{"NATS_URL", "NATS_CONTEXT", "NATS_CREDS", "NATS_USER", "NATS_PASSWORD"} {
				t.Setenv(name, tt.env[name])
			}
			dir := filepath.Join(home, ".config", "nats", "context")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for name, text := range contexts {
				if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := config.Default()
			c.DataDir, c.NATS.URL = t.TempDir(), tt.url
			if tt.running {
				a := Addrs{NATS: "127.0.0.1:4222"}
				if err := a.Write(filepath.Join(c.DataDir, "addr.json")); err != nil {
					t.Fatal(err)
				}
			}
			cmd := &cobra.Command{}
			if AddNATSFlags(cmd); tt.doctor {
				ConfiguredNATSOnly(cmd)
			}
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			err := useNATS(cmd, &c)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.CredentialsFile = strings.Replace(want.CredentialsFile, "HOME", home, 1)
			want.MaxPayload, want.Embedded = config.Default().NATS.MaxPayload, config.Default().NATS.Embedded
			if c.NATS != want {
				t.Errorf("got %+v, want %+v", c.NATS, want)
			}
		})
	}
}
