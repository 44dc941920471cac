package serve

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// prepareDev changes what serve --dev changes: the log's format and the address, unless they were
// chosen, and a token, if nothing else lets a request in. It returns the token
// that it made, or "".
func (s *command) prepareDev(l *config.Loaded) (string, error) {
	if l.Origins["log.format"] == config.OriginDefault {
		l.Log.Format = config.FormatConsole
	}
	if l.Origins["ingress.addr"] == config.OriginDefault {
		l.Ingress.Addr = "127.0.0.1" + l.Ingress.Addr // to try it here is no reason to be open to the network
	}
	if len(l.Sources) > 0 || l.HasAuth() {
		return "", nil
	}
	token, err := devToken(l.DataDir)
	if err != nil {
		return "", err
	}
	l.Auth.Bearer = []value.Secret{value.Secret(token)}
	return token, nil
}

// devToken returns the token in data_dir, which it makes if there is none.
func devToken(dataDir string) (string, error) {
	if token, err := cli.ReadDevToken(dataDir); token != "" || err != nil {
		return token, err
	}
	token := "dev-" + strings.ToLower(rand.Text())
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", fmt.Errorf("data_dir: %w", err)
	}
	if err := datadir.ReplaceFile(filepath.Join(dataDir, cli.DevTokenFile), []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("data_dir: keep the token: %w", err)
	}
	return token, nil
}

// devBlock says how to go on, in lines that work when they are pasted.
func devBlock(c *config.Config, a cli.Addrs, token string) string {
	url := webhook.OwnURL(c, cli.Dialable(a.Ingress)).String() + webhook.PathOf(c)
	self := os.Args[0]
	where := ""
	if c.DataDir != config.Default().DataDir {
		where = " --data-dir " + cli.ShellWords(c.DataDir)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\ntreble-bridge is running. Ctrl-C stops it.\n\n  URL    %s\n", url)
	header := ""
	switch {
	case token != "":
		fmt.Fprintf(&b, "  Token  %s\n", token)
		header = " \\\n    -H 'Authorization: Bearer " + token + "'"
	case !c.Auth.Disabled:
		header = " \\\n    -H 'Authorization: Bearer <your token>'"
	}
	fmt.Fprintf(&b, "\nPost an event, as Treble does:\n\n  curl -i %s%s \\\n    -H 'Content-Type: application/json' \\\n    -d %s\n",
		url, header, cli.ShellWords(devSample()))
	fmt.Fprintf(&b, "\nor one of the samples:\n\n  %s send message.read%s\n", self, where)
	fmt.Fprintf(&b, "\nSee the events, in another terminal:\n\n  %s tail --since 1h%s\n", self, where)
	if a.NATS != "" {
		fmt.Fprintf(&b, "  nats --server %s sub '%s.>'\n", devNATS(c, a), c.Publisher.SubjectPrefix)
	}
	b.WriteString("\n")
	return b.String()
}

// devNATS is the URL of the embedded NATS, with the token that was made for it.
func devNATS(c *config.Config, a cli.Addrs) string {
	scheme, token := "nats", ""
	if c.NATS.Embedded.TLS.CertFile != "" {
		scheme = "tls"
	}
	if !c.NATS.Embedded.Open {
		token = "'<token>'@"
	}
	if made := c.NATS.WithDataDir(c.DataDir).Embedded.TokenFile; made != c.NATS.Embedded.TokenFile {
		if secret, _, err := value.ReadSecret(made, ""); err == nil {
			token = secret + "@"
		}
	}
	return scheme + "://" + token + cli.Dialable(a.NATS)
}

// devSample is a body fit for a command line: of now, and on one line.
func devSample() string {
	body, err := webhook.Sample("message.read")
	if err != nil {
		return "{}"
	}
	var b bytes.Buffer
	if json.Compact(&b, webhook.Freshen(body, time.Now())) != nil {
		return "{}"
	}
	return b.String()
}
