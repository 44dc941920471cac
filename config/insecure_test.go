package config_test

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
)

// TestSecretInTheOpen: a secret that goes to another host without TLS is a notice, which does not
// repeat it.
func TestSecretInTheOpen(t *testing.T) {
	for url, want := range map[string]bool{
		"nats://bridge:s3cret-of-the-bridge@nats.example:4222": true,
		"bridge:s3cret-of-the-bridge@nats.example":             true, // nats is the scheme of an entry without one
		"ws://s3cret-of-the-bridge@nats.example":               true,
		"tls://bridge:s3cret-of-the-bridge@nats.example:4222":  false,
		"nats://bridge:s3cret-of-the-bridge@127.0.0.1:4222":    false,
		"nats://nats.example:4222":                             false,
	} {
		t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "0123456789abcdef0123")
		t.Setenv("TREBLE_BRIDGE_NATS_URL", url)
		l, err := config.Load(config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		notices := strings.Join(l.Notices(), "\n")
		if got := strings.Contains(notices, "the secret goes to nats.example"); got != want {
			t.Errorf("%s: noticed %t, want %t\n%s", url, got, want, notices)
		}
		if strings.Contains(notices, "s3cret") {
			t.Errorf("%s: a secret in %s", url, notices)
		}
	}
}
