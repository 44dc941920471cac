package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
)

func TestReadSecrets(t *testing.T) {
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := DefaultNATSConfig()
	c.Embedded.TokenFile = file("  tok\n")
	s, _, err := c.secret(embeddedTokenKey)
	if err != nil || s != "tok" {
		t.Errorf("got %q, %v, want tok", s, err)
	}
	for _, content := range []string{"", "\n", "hunter2\nhunter3\n"} {
		c.Embedded.TokenFile = file(content)
		err := c.checkSecrets()
		if err == nil || !strings.Contains(err.Error(), "nats.embedded.token_file") || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want an error about the key, without the secret", content, err)
		}
	}
	c.Embedded.TokenFile = "/nonexistent"
	if c.checkSecrets() == nil {
		t.Error("missing file: no error")
	}
}

func TestEmbeddedMaxPayload(t *testing.T) {
	if got := embeddedMaxPayload(100 * value.MiB); got != int32(31*value.MiB) {
		t.Errorf("embeddedMaxPayload = %d, want 31 MiB", got)
	}
}
