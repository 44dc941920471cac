package journal_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// Damaged entries are named, and the others are exported, with the refused bodies; another
// bridge's NATS gets them.
func TestJournalExportOfDamaged(t *testing.T) {
	p := clitest.Serve(t, t.TempDir(), "--nats-url", clitest.Away)
	p.Send(t, "message.read", "--count", "20")
	body := clitest.File(t, "refused", "not <JSON> \xff")
	p.Command(t, cli.ExitFailed, "send", body) // 400
	p.Kill(t)
	clitest.FlipEntry(t, p.Dir, 10)
	file := filepath.Join(t.TempDir(), "pending of a host.ndjson")
	out, errs := p.Command(t, cli.ExitFailed, "journal", "export", "--to", file)
	if !strings.Contains(out, "exported 20 messages") || !strings.Contains(out, "set-aside retry --from '"+file+"'") ||
		!strings.Contains(errs, "entries 10 to 10 are lost") || !strings.Contains(errs, "1 entry is not exported: damaged") {
		t.Errorf("%s%s", out, errs)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), `"Treble-Test":["send-`) != 20 || strings.Count(string(text), `"reason":"pending"`) != 20 {
		t.Errorf("%v, %s", err, text)
	}
	if _, errs := p.Command(t, cli.ExitFailed, "journal", "export", "--to", file); !strings.Contains(errs, "exists") {
		t.Errorf("%s", errs)
	}
	// To standard output, with the summary apart.
	out, errs = p.Command(t, cli.ExitFailed, "journal", "export", "--json")
	var sum journal.MessageExportJSON
	if err := json.Unmarshal([]byte(strings.SplitAfter(errs, "\n")[1]), &sum); err != nil || sum.Exported != 20 || sum.Damaged != 1 || strings.Count(out, "\n") != 20 {
		t.Errorf("%v, %s", err, errs)
	}

	other := clitest.Serve(t, t.TempDir())
	if _, errs := other.Command(t, cli.ExitUsage, "journal", "set-aside", "retry", "--from", file); !strings.Contains(errs, "Publish 20 messages? Nobody can be asked") {
		t.Errorf("without --yes: %s", errs)
	}
	if _, errs := other.Command(t, cli.ExitUsage, "journal", "set-aside", "retry", "--from", file, "--all"); !strings.Contains(errs, "say which") {
		t.Errorf("two choices: %s", errs)
	}
	out, _ = other.Command(t, cli.ExitFine, "journal", "set-aside", "retry", "--from", file, "--yes")
	if strings.Count(out, "stored in stream TREBLE at") != 19 || strings.Count(out, "stored in stream TREBLE_QUARANTINE at") != 1 {
		t.Errorf("retry:\n%s", out)
	}
	out, _ = other.Command(t, cli.ExitFine, "journal", "set-aside", "retry", "--from", file, "--yes", "--json")
	if strings.Count(out, `"duplicate":true`) != 20 || !strings.Contains(out, `"line":20,`) {
		t.Errorf("once more:\n%s", out)
	}
	if got := other.Stored(t, "TREBLE"); len(got) != 19 {
		t.Errorf("stored are %d, want 19", len(got))
	}
	out, _ = other.Command(t, cli.ExitFine, "quarantine", "export")
	if !strings.Contains(out, base64.StdEncoding.EncodeToString([]byte("not <JSON> \xff"))) {
		t.Errorf("the refused body: %s", out)
	}
}

// A file that is no export is found out before anything is published.
func TestSetAsideRetryFromReadsFirst(t *testing.T) {
	good := `{"subject":"treble.message.read","reason":"pending","time":"2026-01-31T08:00:00Z","headers":{"Nats-Msg-Id":["a"]},"data":{}}` + "\n"
	for name, tt := range map[string]struct{ text, want string }{
		"empty":    {"\n", "holds no message"},
		"delivery": {good + `{"received":"2026-01-31T08:00:00Z","source":"default","path":"/webhook","body":{}}` + "\n", "line 2 is no message: subject: is missing"},
		"cut":      {good + good[:50], "line 2 is no message: is no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			file := clitest.File(t, "x.ndjson", tt.text)
			out, errs := clitest.Exits(t, cli.ExitFailed, "", "journal", "set-aside", "retry", "--yes", "--from", file, "--data-dir", t.TempDir(), "--nats-url", clitest.Away)
			if out != "" || !strings.Contains(errs, tt.want) || !strings.Contains(errs, "nothing was published") {
				t.Errorf("got %s%s; want %q", out, errs, tt.want)
			}
		})
	}
}

func TestJournalExportOfNothing(t *testing.T) {
	p := clitest.Serve(t, t.TempDir())
	p.Send(t, "message.read")
	natstest.Eventually(t, "it is published", func() bool { return p.JournalStatus(t, cli.ExitFine, "status").Pending == 0 })
	p.Kill(t)
	if out, errs := p.Command(t, cli.ExitFine, "journal", "export"); out != "" || !strings.Contains(errs, "nothing is pending") {
		t.Errorf("%q, %s", out, errs)
	}
}
