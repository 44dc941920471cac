package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// sourcesOfSchemes are sources that are told by more than a header.
const sourcesOfSchemes = `[
 {name: signed, paths: [/signed], kinds: [message.read], auth: {keep_refused: 10,
   hmac: {header: Stripe-Signature, keys: [signing-8a1c40d7-key], prefix: "v1=", separator: ",", timestamp_prefix: "t=", template: "{timestamp}.{body}"}}},
 {name: segment, paths: [/hook/*], auth: {path: {values: [segment-51c07e9a-of-the-path]}}},
 {name: standard, paths: [/standard], auth: {require: ip and standard_webhooks, ip: {allow: [127.0.0.0/8]},
   standard_webhooks: {keys: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}}},
 {name: elsewhere, paths: [/elsewhere], auth: {require: ip and bearer, ip: {allow: [192.0.2.0/24]}, bearer: [bearer-51c07e9a-token]}},
 {name: basic, paths: [/basic], auth: {basic: {user: treble}, query: {name: key, values: [query-51c07e9a-value]},
   secrets: [{name: crm, scheme: basic, value: password-51c07e9a}]}}]`

// TestCommandsOfEveryScheme: send, doctor and quarantine retry are let in by what the configuration
// says, and what came without credentials is sent again on purpose only.
func TestCommandsOfEveryScheme(t *testing.T) {
	env := "TREBLE_BRIDGE_SOURCES"
	p := clitest.StartProcessEnv(t, t.TempDir(), []string{env + "=" + sourcesOfSchemes}, "serve")
	t.Setenv(env, sourcesOfSchemes)
	a := p.Addrs(t)
	p.Command(t, cli.ExitFine, "send", "message.read")
	p.Command(t, cli.ExitFine, "send", "message.read", "--count", "3") // fresh bodies, each signed anew

	out, _ := p.Command(t, cli.ExitFine, "doctor", "--json")
	var list struct {
		Checks []struct{ Name, Of, Status, Detail string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	probes := map[string]string{}
	for _, c := range list.Checks {
		if c.Name == "probe" {
			probes[c.Of] = c.Status
		}
		if c.Name == "credentials" && c.Status != "pass" {
			t.Errorf("credentials: %s %s", c.Status, c.Detail)
		}
	}
	for _, source := range []string{"signed", "segment", "standard", "basic"} {
		if probes[source] != "pass" {
			t.Errorf("the probe of %s: %q", source, probes[source])
		}
	}

	if probes["elsewhere"] != "skip" {
		t.Errorf("the probe of a source for other addresses: %q, want it left out", probes["elsewhere"])
	}

	post := func(path, body string, want int) {
		t.Helper()
		if got := clitest.Post(t, "http://"+a.Ingress+path, "", body); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	const read = `{"session_id":"s-of-the-rotation","read_at":"2026-01-31 00:00:00"}`
	post("/signed", read, http.StatusUnauthorized)                         // kept
	post("/hook/segment-51c07e9a-of-the-path", "{", http.StatusBadRequest) // kept, without the secret
	var listed string
	natstest.Eventually(t, "both are in the quarantine", func() bool {
		listed, _ = p.Command(t, cli.ExitFine, "quarantine", "list", "--json")
		return strings.Count(listed, "\n") == 2
	})
	if strings.Contains(listed, "51c07e9a") || !strings.Contains(listed, `"path":"/hook/*"`) || !strings.Contains(listed, `"reason":"unauthorized"`) {
		t.Errorf("the quarantine: %s", listed)
	}
	if out, _ := p.Command(t, cli.ExitFailed, "quarantine", "retry", "--all", "--yes"); strings.Contains(out, "accepted") {
		t.Errorf("retry --all sent what nobody had signed: %s", out)
	}
	if out, _ := p.Command(t, cli.ExitFine, "quarantine", "retry", "--reason", "unauthorized", "--yes"); strings.Count(out, "accepted") != 1 {
		t.Errorf("retry --reason unauthorized: %s", out)
	}
	natstest.Eventually(t, "it is stored", func() bool {
		out, _ := p.Command(t, cli.ExitFine, "tail", "--since", "1h", "--no-follow", "--json")
		return strings.Contains(out, "s-of-the-rotation")
	})
	if text := p.Errs.String(); strings.Contains(text, "51c07e9a") || strings.Contains(text, "8a1c40d7") || strings.Contains(text, "MfKQ9r8G") {
		t.Error("a secret is in the log")
	}
}
