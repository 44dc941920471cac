package journal_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// A journal is filled while NATS is away, inspected while the bridge runs and
// after a kill, damaged in the middle, and delivered but for what is lost.
func TestJournalOfProcess(t *testing.T) {
	p := clitest.Serve(t, t.TempDir(), "--nats-url", clitest.Away)
	p.Send(t, "message.read", "--count", "20")
	v := p.JournalStatus(t, cli.ExitFine, "status")
	if !v.Running || v.PID != p.Process.Pid || v.Pending != 20 || v.Accepted != 20 || v.Unaccounted != 0 || !v.Sound || v.OldestPending == nil || time.Since(*v.OldestPending) > time.Minute {
		t.Errorf("while it runs: %+v", v)
	}
	text, _ := p.Command(t, cli.ExitFine, "journal", "status")
	for _, want := range []string{fmt.Sprintf("pid %d", p.Process.Pid), "20 events in 20 entries, the oldest received", "of 10 GiB", "unaccounted           0"} {
		if !strings.Contains(text, want) {
			t.Errorf("status: %q is not in\n%s", want, text)
		}
	}
	p.Command(t, cli.ExitFine, "journal", "verify")
	p.Kill(t)
	v = p.JournalStatus(t, cli.ExitFine, "verify")
	if v.Running || v.Pending != 20 || !v.Sound || v.Read.Entries != 20 {
		t.Errorf("after kill -9: %+v", v)
	}

	lost := clitest.FlipEntry(t, p.Dir, 10)
	v = p.JournalStatus(t, cli.ExitFailed, "verify")
	if len(v.Damage) != 1 || v.Damage[0].FirstLost != 10 || v.Damage[0].LastLost != 10 || v.Damage[0].NotPublished != 1 || v.Damage[0].Offset != lost {
		t.Errorf("damaged at %d: %+v", lost, v)
	}
	if v.Pending != 19 || v.Damaged != 1 || v.Accepted != 20 || v.Unaccounted != 0 {
		t.Errorf("damaged: %+v", v)
	}
	text, errs := p.Command(t, cli.ExitFailed, "journal", "verify")
	if !strings.Contains(text, fmt.Sprintf("at %d", lost)) || !strings.Contains(text, "entry 10 was in it, 1 not published") || !strings.Contains(errs, "damaged in 1 place") {
		t.Errorf("verify:\n%s%s", text, errs)
	}
	p.JournalStatus(t, cli.ExitFine, "status") // shows it, and is no check

	p = clitest.Serve(t, p.Dir) // with the embedded NATS now
	natstest.Eventually(t, "the rest is delivered", func() bool {
		_, out, _ := clitest.Command(t.Context(), "", "tail", "--no-follow", "--data-dir", p.Dir)
		return strings.Count(out, "\n") == 19
	})
	if _, ready := p.Readyz(t); !strings.Contains(ready, "degraded") || !strings.Contains(ready, "treble-bridge journal verify") {
		t.Errorf("readyz: %s", ready)
	}
	p.Stop(t)
	v = p.JournalStatus(t, cli.ExitFailed, "verify") // the segment is still there
	if v.Stored != 19 || v.Damaged != 1 || v.Accepted != 20 || v.Unaccounted != 0 || v.Pending != 0 || v.Damage[0].MovedTo == "" || v.Size.Copies != 1 {
		t.Errorf("at the end: %+v", v)
	}
	text, _ = p.Command(t, cli.ExitFine, "journal", "status")
	if !strings.Contains(text, "no bridge runs on it") || !strings.Contains(text, "1 copy of damaged bytes") {
		t.Errorf("status:\n%s", text)
	}
}

// An event that is too large for the limit in force is set aside, and published by
// command once NATS takes more.
func TestSetAsideOfProcess(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_NATS_MAX_PAYLOAD", "300")
	p := clitest.Serve(t, t.TempDir(), "--nats-url", clitest.Away)
	for range 2 {
		if code, _, errs := clitest.Command(t.Context(), "", "send", "message.read", "--data-dir", p.Dir); code != cli.ExitFailed || !strings.Contains(errs, "were not answered") {
			t.Fatalf("send: exit %d, %s; want 413", code, errs)
		}
	}
	if _, ready := p.Readyz(t); !strings.Contains(ready, "treble-bridge journal set-aside list") {
		t.Errorf("readyz: %s", ready)
	}
	out, _ := p.Command(t, cli.ExitFine, "journal", "set-aside", "list", "--json")
	var item journal.SetAsideJSON
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &item); err != nil || item.Reason != "too-large" || item.Kind != "message.read" || item.Size < 300 {
		t.Errorf("list: %v, %s", err, out)
	}
	if text, _ := p.Command(t, cli.ExitFine, "journal", "set-aside", "list"); strings.Count(text, "too-large") != 2 || strings.Contains(text, "3176477608") {
		t.Errorf("list:\n%s", text)
	}
	// NATS is away: everything stays.
	if _, errs := p.Command(t, cli.ExitFailed, "journal", "set-aside", "retry", "--all", "--yes", "--nats-url", clitest.Away); !strings.Contains(errs, "nats.url") {
		t.Errorf("retry without NATS: %s", errs)
	}
	// Nobody can be asked.
	if _, errs := p.Command(t, cli.ExitUsage, "journal", "set-aside", "retry", "--all"); !strings.Contains(errs, "--yes") {
		t.Errorf("retry without --yes: %s", errs)
	}
	file := filepath.Join(p.Dir, "set-aside", "20200101T000000.000000000Z-x.msg")
	if err := os.WriteFile(file, []byte("TREBLE-SET-ASIDE/1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, _ := p.Command(t, cli.ExitFine, "journal", "set-aside", "list"); !strings.Contains(text, "damaged") {
		t.Errorf("list:\n%s", text)
	}
	exported := filepath.Join(t.TempDir(), "aside.ndjson")
	text, errs := p.Command(t, cli.ExitFailed, "journal", "set-aside", "export", "--to", exported)
	if text != "exported 2 messages\n" || strings.Count(errs, "damaged") != 2 {
		t.Errorf("export: %q, %q", text, errs)
	}
	b, err := os.ReadFile(exported)
	if err != nil || strings.Count(string(b), "\n") != 2 || !strings.Contains(string(b), "3176477608") {
		t.Errorf("exported: %v\n%s", err, b)
	}
	if _, errs := p.Command(t, cli.ExitFailed, "journal", "set-aside", "export", "--to", exported); !strings.Contains(errs, "exists") {
		t.Errorf("export again: %s", errs)
	}
	if out, errs := p.Command(t, cli.ExitFailed, "journal", "set-aside", "export", "--json"); out != string(b) || !strings.Contains(errs, `{"to":"-","exported":2,"damaged":1}`) {
		t.Errorf("export to standard output: %q, %q", out, errs)
	}
	p.Kill(t)

	t.Setenv("TREBLE_BRIDGE_NATS_MAX_PAYLOAD", "1MiB")
	p = clitest.Serve(t, p.Dir)
	text, errs = p.Command(t, cli.ExitFailed, "journal", "set-aside", "retry", "--all", "--yes")
	if strings.Count(text, "stored in stream TREBLE") != 2 || strings.Count(text, "kept") != 1 || !strings.Contains(errs, "1 of 3 are left") {
		t.Errorf("retry: %s%s", text, errs)
	}
	if out, _ := p.Command(t, cli.ExitFine, "tail", "--no-follow"); strings.Count(out, "message.read") != 2 {
		t.Errorf("tail: %s", out)
	}
	v := p.JournalStatus(t, cli.ExitFailed, "verify") // of the damaged file
	if v.Sound || v.Files.Damaged != 1 || v.Files.Files != 1 || len(v.Damage) != 0 {
		t.Errorf("verify: %+v", v)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.JournalStatus(t, cli.ExitFine, "verify")
	if _, errs := p.Command(t, cli.ExitFine, "journal", "set-aside", "retry", "--all"); !strings.Contains(errs, "empty") {
		t.Errorf("retry of nothing: %s", errs)
	}
	if out, _ := p.Command(t, cli.ExitFine, "journal", "set-aside", "list"); !strings.Contains(out, "empty") {
		t.Errorf("list of nothing: %s", out)
	}
}

func TestJournalCommandsWithoutJournal(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", dir)
	for _, name := range []string{"status", "verify"} {
		if _, errs := clitest.Exits(t, cli.ExitFailed, "", "journal", name); !strings.Contains(errs, "no journal in "+dir) {
			t.Errorf("%s: %q", name, errs)
		}
	}
	if _, errs := clitest.Exits(t, cli.ExitFailed, "", "journal", "export"); !strings.Contains(errs, "there is no journal") {
		t.Errorf("export: %s", errs)
	}
	clitest.CheckUsage(t, "journal", "", []clitest.WrongUsage{
		{"nothing", "", "status, verify, export, set-aside"},
		{"set-aside", "set-aside", "list, retry, export"},
		{"retry-nothing", "set-aside retry", "say which"},
		{"retry-all-and-one", "set-aside retry --all x.msg", "say which"},
		{"argument", "status now", "unknown command"},
	})
}
