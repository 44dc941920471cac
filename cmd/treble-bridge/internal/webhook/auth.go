package webhook

import (
	"net/http"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// SignerOf returns a signer with the credentials of a source's auth, as the bridge reads it; with
// nothing configured, the token of serve --dev; nil if there is none. It is an error if no bridge
// runs on the data directory: whoever listens on its port would get the secret.
func SignerOf(a auth.Config, dataDir string) (*auth.Signer, error) {
	if err := cli.OwnBridge(dataDir); err != nil {
		return nil, err
	}
	now := time.Now()
	signer, err := a.Signer(now)
	if signer != nil || err != nil || a.Disabled {
		return signer, err
	}
	token, err := cli.ReadDevToken(dataDir)
	if err != nil || token == "" {
		return nil, err
	}
	return auth.Config{Bearer: []value.Secret{value.Secret(token)}, AllowShort: true}.Signer(now)
}

// ParseHeaders reads header lines, such as "X-Api-Key: secret".
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
