package forget_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
)

func TestForgetUsage(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	clitest.CheckUsage(t, "forget", "s3cret\n", []clitest.WrongUsage{
		{"nobody", "", "say who: --phone or --session"},
		{"no-number", "--phone 3001s3cret", "--phone: use the international form"},
		{"no-number-on-stdin", "--phone -", "--phone: use the international form"},
		{"argument", "+5730s3cret", "forget takes no arguments"},
		{"wait", "--session x --wait-pending -1s", "--wait-pending"},
		{"wait-with-value", "--session x --wait 10s", "forget takes no arguments"},
		{"empty-session", "--session=", "--session: use the id of a session"},
	})
	clitest.CheckUsage(t, "forget", "", []clitest.WrongUsage{{"nothing-on-stdin", "--phone -", "--phone: use the international form"}})
	if _, errs := clitest.Exits(t, cli.ExitFailed, "", "forget", "--session", "x"); !strings.Contains(errs, "is the bridge running?") {
		t.Errorf("without NATS: %s", errs)
	}
}

// By session; then a person from a host without a bridge, which leaves the copies in the journals; then on
// the bridge's own.
func TestForgetSession(t *testing.T) {
	t.Parallel()
	p := clitest.Serve(t, t.TempDir())
	p.Post(t, http.StatusOK, ofNobody()...)
	p.Post(t, http.StatusOK, people(2, 8)...)
	total := len(ofNobody()) + 16
	p.Await(t, "TREBLE", total)
	out, errs := p.Command(t, cli.ExitFine, "forget", "--session", nobodySession, "--show-sessions", "--yes")
	if !strings.Contains(out, "deleted 12 messages: 12 in stream TREBLE\n") || !strings.Contains(out, "12 copies in the journals will be gone by 20") || strings.TrimSpace(errs) != nobodySession {
		t.Errorf("forget: %s%s", out, errs)
	}
	p.Await(t, "TREBLE", total-12)
	if found := filesOf(t, filepath.Join(p.Dir, "nats"), nobodySession); len(found) > 0 {
		t.Errorf("the session is still in %v", found)
	}
	for flag, want := range map[string]string{"--yes": "nothing is left to delete", "--dry-run": "would delete 12 messages: 12 in the journals"} {
		if out, _ := p.Command(t, cli.ExitFine, "forget", "--session", nobodySession, flag); !strings.Contains(out, want) {
			t.Errorf("%s: %s", flag, out)
		}
	}

	elsewhere := filepath.Join(t.TempDir(), "none")
	code, out, errs := clitest.Command(t.Context(), nobody, "forget", "--phone", "-", "--yes", "--nats-url", clitest.NATSURL(t, p.Dir), "--data-dir", elsewhere)
	if code != cli.ExitFine || !strings.Contains(out, "4 in stream TREBLE") || !strings.Contains(out, "no bridge's data_dir is on this host") ||
		!strings.Contains(out, "treble-bridge forget --phone -") || strings.Contains(out+errs, "3001234567") {
		t.Errorf("elsewhere: exit %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("it made a data_dir")
	}
	v, _ := forgetPerson(t, p, cli.ExitFine, nobody, "--phone", "-", "--yes")
	if v.Found.Journal != 16 || v.Left.Deletable() != 0 || v.GoneBy == nil {
		t.Errorf("here: %+v", v)
	}
	checkAudit(t, p, 3)
}

// checkAudit holds that n runs are on record, without number and session.
func checkAudit(t *testing.T, p *clitest.Process, n int) {
	t.Helper()
	records := p.Stored(t, "KV_TREBLE_AUDIT")
	for _, r := range records {
		if !strings.Contains(r, `"action":"forget"`) || !strings.Contains(r, `"state":"`+audit.Done) || !strings.Contains(r, "found-journal") {
			t.Errorf("audit: %s", r)
		}
		for _, trace := range traces {
			if strings.Contains(r, trace) {
				t.Errorf("%q is in the audit: %s", trace, r)
			}
		}
	}
	if len(records) != n {
		t.Errorf("%d records, want %d", len(records), n)
	}
}

// What NATS has not taken stays; the command fails, and says what to do.
func TestForgetLeavesWhatIsPending(t *testing.T) {
	t.Parallel()
	nats := clitest.Serve(t, t.TempDir()) // somebody else's NATS
	url := []string{"--nats-url", clitest.NATSURL(t, nats.Dir)}
	p := clitest.Serve(t, t.TempDir(), "--nats-url", clitest.Away)
	p.Post(t, http.StatusOK, bodiesOf("57", "3001234567", nobodySession, 0))
	v, errs := forgetPerson(t, p, cli.ExitFailed, nobody, append(url, "--phone", "-", "--yes", "--wait-pending", "1ms")...)
	if v.State != audit.Failed || v.Left == nil || v.Left.Pending != 1 || !strings.Contains(errs, "1 in the journals are not published yet: wait until NATS") {
		t.Errorf("running: %+v\n%s", v, errs)
	}
	p.Kill(t)
	if v, errs = forgetPerson(t, p, cli.ExitFailed, nobody, append(url, "--phone", "-", "--yes")...); v.DataDir != "stopped" || !strings.Contains(errs, "start the bridge, and run this again") {
		t.Errorf("stopped: %+v\n%s", v, errs)
	}
	p = clitest.StartProcessEnv(t, p.Dir, briefJournal, append([]string{"serve", "--dev"}, url...)...)
	p.AwaitRunning(t)
	p.Post(t, http.StatusOK, large(6)...) // so that the journal begins a new segment
	v, _ = forgetPerson(t, p, cli.ExitFine, nobody, append(url, "--phone", "-", "--yes", "--wait")...)
	if v.Left.Total() != 0 || v.Erased.Streams["TREBLE"] != 1 || v.GoneBy != nil {
		t.Errorf("when it is published: %+v", v)
	}
	p.Stop(t)
	for _, dir := range []string{p.Dir, nats.Dir} {
		if found := filesOf(t, dir, traces...); len(found) > 0 {
			t.Errorf("left in %v", found)
		}
	}
}

// briefJournal lets copies of published events leave the journal soon: when a segment,
// which is small, is full.
var briefJournal = []string{"TREBLE_BRIDGE_JOURNAL_RETAIN=1s", "TREBLE_BRIDGE_JOURNAL_MAX_BYTES=16MiB"}

// large are bodies of nearly a megabyte each, of nobody. Six of them fill a segment of
// briefJournal.
func large(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(`{"x":"%07d%s"}`, i, strings.Repeat("x", 900<<10)))
	}
	return all
}

// The copies in the journals of a bridge that stopped stay: the command says what to do.
func TestForgetOfAStoppedBridge(t *testing.T) {
	t.Parallel()
	nats := clitest.Serve(t, t.TempDir()) // somebody else's NATS
	url := []string{"--nats-url", clitest.NATSURL(t, nats.Dir)}
	p := clitest.Serve(t, t.TempDir(), url...)
	p.Post(t, http.StatusOK, bodiesOf("57", "3001234567", nobodySession, 0))
	nats.Await(t, "TREBLE", 1)
	p.Stop(t)
	for _, wait := range []string{"--wait=false", "--wait"} {
		v, errs := forgetPerson(t, p, cli.ExitFailed, nobody, append(url, "--phone", "-", "--yes", wait)...)
		if v.Left == nil || v.Left.Copies() != 1 || v.Left.Deletable() != 0 || v.State != audit.Failed ||
			!strings.Contains(errs, "stay while no bridge runs: start it, and they are gone after 11m0s") {
			t.Errorf("%s: %+v\n%s", wait, v, errs)
		}
	}
	nats.Await(t, "TREBLE", 0)
}

// A bridge whose data_dir can have no socket serves all the same, and says what to do.
func TestForgetWithoutSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 110))
	p := clitest.Serve(t, dir)
	p.Post(t, http.StatusOK, bodiesOf("57", "3001234567", nobodySession, 0))
	if !strings.Contains(p.Errs.String(), "no control socket in data_dir: stop the bridge before treble-bridge forget") {
		t.Errorf("log:\n%s", p.Errs)
	}
	if _, errs := forgetPerson(t, p, cli.ExitFailed, nobody, "--phone", "-", "--yes"); !strings.Contains(errs, "cannot be asked to forget") || !strings.Contains(errs, "stop it, and run this again") {
		t.Errorf("%s", errs)
	}
}
