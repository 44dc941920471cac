package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads a configuration file with a text, or none if there is no text.
func load(t *testing.T, text string, flags map[string]*pflag.Flag) (*config.Loaded, error) {
	t.Helper()
	o := config.Options{Flags: flags}
	if text != "" {
		o.File = configFile(t, text)
	}
	return config.Load(o)
}

func mustLoad(t *testing.T, text string) *config.Loaded {
	t.Helper()
	l, err := load(t, text, nil)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return l
}

// printed is the output of config print.
func printed(t *testing.T, l *config.Loaded) string {
	t.Helper()
	var out strings.Builder
	if err := l.Print(&out); err != nil {
		t.Fatalf("print: %v", err)
	}
	return out.String()
}

// checkError checks that an error has a text in it; "" wants no error.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want no error", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q in it", err, want)
	}
}
