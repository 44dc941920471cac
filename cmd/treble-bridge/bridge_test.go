package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestBridgeFromPostToTail(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	b := clitest.Start(t, c)
	for _, name := range webhook.SampleNames() {
		if got := b.Post(t, clitest.Sample(t, name)); got != http.StatusOK {
			t.Errorf("%s: got %d, want 200", name, got)
		}
	}
	tail := func(args ...string) string {
		t.Helper()
		out, _ := b.Command(t, cli.ExitFine, append([]string{"tail", "--no-follow"}, args...)...)
		return out
	}
	var lines []string
	natstest.Eventually(t, "the events are published", func() bool {
		lines = strings.Split(strings.TrimSpace(tail()), "\n")
		return len(lines) >= len(webhook.SampleNames())
	})
	if got, want := len(lines), len(webhook.SampleNames()); got != want {
		t.Fatalf("got %d lines, want %d:\n%s", got, want, strings.Join(lines, "\n"))
	}
	for i, name := range webhook.SampleNames() {
		kind, _, _ := strings.Cut(name, "-")
		if !strings.Contains(lines[i], kind) {
			t.Errorf("line %d: got %q, want the kind %s", i, lines[i], kind)
		}
	}
	if got := tail("--kind", "message.read", "--json", "--show-pii"); !json.Valid([]byte(got)) || strings.Count(got, "\n") != 1 || !strings.Contains(got, "+573176477608") {
		t.Errorf("json of one kind: got %q", got)
	}
	want := clitest.Sample(t, "conversation.closed")
	if got := tail("--kind", "conversation.closed", "--raw", "--show-pii", "--session", "d2fa98"); !strings.Contains(got, strings.TrimSpace(want)) {
		t.Errorf("raw: got %s\nwant the body as posted", got)
	}
	if got := tail("--session", "nobody"); got != "" {
		t.Errorf("an unknown session: got %q", got)
	}
	if got := strings.Count(tail("-n", "3"), "\n"); got != 3 {
		t.Errorf("limit: got %d lines, want 3", got)
	}
	for _, mode := range []string{"--json", "--raw", "--session="} {
		if out := tail(mode); strings.Contains(out, "3176477608") || strings.Contains(out, "3161234567") || strings.Contains(out, "12056192992") {
			t.Errorf("%s prints phone numbers:\n%s", mode, out)
		}
	}
	if out, _ := b.Command(t, cli.ExitFine, "health"); out != "ready\n" && !strings.HasPrefix(out, "degraded\n") {
		t.Errorf("health: %q", out)
	}
	if strings.Contains(b.Logs.String(), clitest.Secret) || strings.Contains(b.Logs.String(), "3176477608") {
		t.Error("the log has a secret or a phone number")
	}
	b.Stop(t)
	b.Command(t, cli.ExitFailed, "health")
}
