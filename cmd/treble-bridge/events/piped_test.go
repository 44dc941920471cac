package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestPipedOutputCannotSteerATerminal: what a pipe ends in may be a terminal, so of a hostile event
// only --raw has its control characters.
func TestPipedOutputCannotSteerATerminal(t *testing.T) {
	b := clitest.Start(t, clitest.Config(t))
	defer b.Stop(t)
	const hostile = "\u009b2J \u202e\u2028\x7f" // as they are: JSON allows that
	body := `{"session_id":"session-of-the-hostile","country_code":"57","cellphone":"3001234567","responded_at":"2026-01-01 00:00:00",` +
		`"actual_response":"\u001b]0;title\u0007 ` + hostile + `","user_session_keys":[{"key":"k` + hostile + `","value":"\u001b[2J` + hostile + `"}]}`
	if got := b.Post(t, body); got != 200 {
		t.Fatalf("got %d, want the event taken", got)
	}
	run := func(args ...string) string {
		t.Helper()
		out, _ := b.Command(t, cli.ExitFine, args...)
		return out
	}
	var listed struct{ Event struct{ ID string } }
	natstest.Eventually(t, "the event is in the stream", func() bool {
		return json.Unmarshal([]byte(run("events", "--since", "1h", "--json")), &listed) == nil && listed.Event.ID != ""
	})
	id := listed.Event.ID
	for _, args := range [][]string{
		{"events", "--since", "1h"}, {"events", "--since", "1h", "--json"},
		{"events", "--session", "session-of-the-hostile"}, {"events", "--session", "session-of-the-hostile", "--json"},
		{"events", id}, {"events", id, "--json"},
		{"tail", "--since", "1h", "--no-follow"}, {"tail", "--since", "1h", "--no-follow", "--json"},
	} {
		for _, args := range [][]string{args, append(args[:len(args):len(args)], "--show-pii")} {
			out := run(args...)
			if i := strings.IndexFunc(strings.ReplaceAll(out, "\n", ""), terminal.Steers); i >= 0 || !utf8.ValidString(out) {
				t.Errorf("%q: a control character in %q", args, out)
			}
			if !strings.Contains(out, `\u009b2J`) {
				t.Errorf("%q: the escaped text is to be shown: %q", args, out)
			}
		}
	}
	for _, args := range [][]string{{"events", id, "--raw"}, {"tail", "--since", "1h", "--no-follow", "--raw"}} {
		if out := run(append(args, "--show-pii")...); out != body+"\n" {
			t.Errorf("%q: got %q, want the exact %q", args, out, body)
		}
	}
}
