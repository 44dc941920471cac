package natsconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

func TestReadSecrets(t *testing.T) {
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := natsconfig.Default()
	c.Embedded.TokenFile = file("  tok\n")
	s, err := c.Embedded.ReadToken()
	if err != nil || s != "tok" {
		t.Errorf("got %q, %v, want tok", s, err)
	}
	for _, content := range []string{"", "\n", "hunter2\nhunter3\n"} {
		c.Embedded.TokenFile = file(content)
		err := c.CheckSecrets()
		if err == nil || !strings.Contains(err.Error(), "nats.embedded.token_file") || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want an error about the key, without the secret", content, err)
		}
	}
	c.Embedded.TokenFile = "/nonexistent"
	if c.CheckSecrets() == nil {
		t.Error("missing file: no error")
	}
}
