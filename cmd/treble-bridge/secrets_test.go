package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

// TestSecretsAsTheyCome: a start, config check and send read the same secrets, and the start
// logs what config check warns of.
func TestSecretsAsTheyCome(t *testing.T) {
	const first, second, third = "first-secret-of-the-file", "second-secret-of-the-file", "third-secret-of-the-file"
	path := clitest.File(t, "tokens", "\ufeff"+first+"\r\n\""+second+"\"\r\nAuthorization: Bearer "+third+"\r\n")
	env := "TREBLE_BRIDGE_AUTH_BEARER_FILE"
	p := clitest.StartProcessEnv(t, t.TempDir(), []string{env + "=" + path + "\n", "TREBLE_BRIDGE_NATS_EMBEDDED_TOKEN=embedded-token-0001\n"}, "serve")
	url := "http://" + p.Addrs(t).Ingress + "/webhook"
	for _, token := range []string{first, second, third} {
		if got := clitest.Post(t, url, token, `{"session_id":"s","read_at":"2026-01-31 00:00:00"}`); got != http.StatusOK {
			t.Errorf("%s: got %d", token, got)
		}
	}

	t.Setenv(env, path+"\n")
	t.Setenv("TREBLE_BRIDGE_NATS_EMBEDDED_TOKEN", "embedded-token-0001\r\n")
	p.Command(t, cli.ExitFine, "send", "message.read")
	p.Command(t, cli.ExitFine, "events", "--since", "1d")

	out, _ := p.Command(t, cli.ExitFine, "config", "check", "--json")
	var check configCheckJSON
	if err := json.Unmarshal([]byte(out), &check); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"line 2: the secret stands in quotes", "line 3: the secret is more than the secret"} {
		if !strings.Contains(strings.Join(check.Warnings, "\n"), want) {
			t.Errorf("config check: got %q, want %q", check.Warnings, want)
		}
	}
	for _, w := range check.Warnings {
		quoted, _ := json.Marshal(w)
		if !strings.Contains(p.Errs.String(), string(quoted)) {
			t.Errorf("the log of the start lacks %s", quoted)
		}
	}
	for _, secret := range []string{first, second, third, "embedded-token"} {
		if strings.Contains(p.Errs.String()+out, secret) {
			t.Errorf("%s is in the output", secret)
		}
	}
}
