package webhook

import (
	"net/http"
	"strings"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// Authorize sets what lets a request in by a source's auth, as the bridge reads it; with
// nothing configured, the token of serve --dev.
func Authorize(h http.Header, a auth.Config, dataDir string) error {
	name, content, err := a.Credential()
	if err != nil || a.Disabled {
		return err
	}
	if name == "" {
		token, err := cli.ReadDevToken(dataDir)
		if err != nil || token == "" {
			return err
		}
		name, content = "Authorization", "Bearer "+token
	}
	h.Set(name, content)
	return nil
}

func ParseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, cli.Usagef("--header: use 'Name: value'") // not repeated: it may be a secret
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}
