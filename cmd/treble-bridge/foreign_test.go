package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestForeignMessages: every command that reads leaves out what is no event of the bridge,
// and says how many that were.
func TestForeignMessages(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	b := clitest.Start(t, c)
	defer b.Stop(t)
	o := cli.ClientOptions(c, b.Addrs().NATS, "test")
	o.NATS = o.NATS.WithDataDir(c.DataDir)
	client, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	put := func(subject string, header map[string][]string, data string) {
		t.Helper()
		natstest.Eventually(t, "the stream takes it", func() bool {
			_, err := client.JetStream().PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(data)})
			return err == nil
		})
	}
	for _, f := range natstest.Foreign {
		put("treble.message.read", f.Header, f.Data)
	}
	if got := b.Post(t, `{"session_id":"s","country_code":"57","cellphone":"3001234567","read_at":"2026-01-01 00:00:00"}`); got != http.StatusOK {
		t.Fatalf("got %d", got)
	}
	n := len(natstest.Foreign)
	natstest.Eventually(t, "the event is stored", func() bool {
		s, err := client.JetStream().Stream(t.Context(), "TREBLE")
		return err == nil && s.CachedInfo().State.Msgs == uint64(n+1)
	})
	put("treble.message.read", nil, "")
	b.Refuse(t, `{"a":`)
	put("treble-quarantine.not-json", nil, "{}")

	file := filepath.Join(t.TempDir(), "f")
	said := fmt.Sprintf("%d messages were skipped: no events of the bridge", n+1)
	for _, tt := range []struct {
		name, args  string
		code, lines int
		want        string // in either output
	}{
		{"tail", "tail --no-follow", cli.ExitFine, 1, said},
		{"tail-json", "tail --no-follow --json", cli.ExitFine, 1, said},
		{"tail-raw", "tail --no-follow --raw", cli.ExitFine, 1, said},
		{"tail-kind", "tail --no-follow --kind condition.evaluated", cli.ExitFine, 0, ""},
		{"events", "events", cli.ExitFine, 1, said},
		{"events-json", "events --json", cli.ExitFine, 1, said},
		{"events-all", "events --limit 0 --raw", cli.ExitFine, 1, said},
		{"events-newest", "events --limit 1", cli.ExitFine, 1, said}, // it looks whether there are older ones
		{"events-phone", "events --phone +573001234567", cli.ExitFine, 1, ""},
		{"timeline", "events --session s --json", cli.ExitFine, 1, ""},
		{"by-sequence", "events 1", cli.ExitFailed, 0, "message 1 is no event of the bridge"},
		{"dry-run", "replay --dry-run --json", cli.ExitFine, 1, fmt.Sprintf(`"events":1,"replayed":0,"skipped":%d`, n+1)},
		{"replay-file", "replay --to-file " + file, cli.ExitFine, 2, said},
		{"replay-stdout", "replay --to-file -", cli.ExitFine, 1, said},
		{"replay-stream", "replay --yes --json", cli.ExitFine, 1, fmt.Sprintf(`"events":1,"replayed":1,"skipped":%d`, n+1)},
		{"replay-list", "replay list --json", cli.ExitFine, 3, fmt.Sprintf(`"events":1,"replayed":1,"skipped":%d`, n+1)},
		{"quarantine", "quarantine list --json", cli.ExitFine, 1, "1 message was skipped: no refused bodies"},
		{"forget", "forget --phone +573001234567 --dry-run --json", cli.ExitFine, 1, `"found":{"streams":{"TREBLE":1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := clitest.Command(t.Context(), "", append(strings.Fields(tt.args), "--data-dir", c.DataDir)...)
			if code != tt.code || strings.Count(out, "\n") != tt.lines || !strings.Contains(out+errs, tt.want) || tt.want == "" && strings.Contains(errs, "skipped") {
				t.Errorf("exit %d\n%s%s\nwant exit %d, %d lines, and %q", code, out, errs, tt.code, tt.lines, tt.want)
			}
		})
	}
	content, err := os.ReadFile(file)
	if err != nil || strings.Count(string(content), "\n") != 1 || !json.Valid(content) {
		t.Errorf("the file has %q, %v", content, err)
	}
}
