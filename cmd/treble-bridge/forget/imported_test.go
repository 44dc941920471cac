package forget_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// importedAccounts is the example of docs/operations.md, word for word.
func importedAccounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), "    accounts {\n")
	text, _, ended := strings.Cut(text, "\n    }\n")
	if !found || !ended {
		t.Fatal("docs/operations.md has no accounts")
	}
	return "accounts {\n" + text + "\n}\n"
}

// TestForgetInAnImportedAccount: the streams are in another account, which exports them to that of
// the bridge. The command deletes there, and its record is there.
func TestForgetInAnImportedAccount(t *testing.T) {
	t.Parallel()
	h := clitest.StartNATS(t, importedAccounts(t))
	p := clitest.NewConfigFile(t, h.URL, "nats.user", "bridge", "nats.password", "s3cret-bridge", "nats.api_prefix", "JS.treble")
	b := clitest.Start(t, p.Config)
	defer b.Stop(t)
	bodies := append(ofNobody()[:12], people(1, 4)...)
	for _, body := range bodies {
		if got := b.Post(t, body); got != http.StatusOK {
			t.Fatalf("post: %d", got)
		}
	}
	owner := h.JetStream(t, nats.UserInfo("owner", "s3cret-owner"))
	stored := func() uint64 {
		s, err := owner.Stream(t.Context(), "TREBLE")
		if err != nil {
			return 0
		}
		return s.CachedInfo().State.Msgs
	}
	natstest.Eventually(t, "all is stored", func() bool { return stored() == uint64(len(bodies)) })
	natstest.Eventually(t, "the journal says so", func() bool { // its marks come a second later
		s, err := ledger.Inspect(t.Context(), filepath.Join(p.Config.DataDir, datadir.Journal), nil)
		return err == nil && s.Pending == 0
	})
	for _, want := range []struct{ flag, says string }{
		{"--dry-run", "would delete 24 messages: 12 in stream TREBLE, 12 in the journals"},
		{"--yes", "deleted 12 messages: 12 in stream TREBLE"},
		{"--yes", "nothing is left to delete"},
	} {
		code, out, errs := clitest.Command(t.Context(), "", "forget", "--session", nobodySession, want.flag, "--config", p.Path)
		if code != cli.ExitFine || !strings.Contains(out, want.says) {
			t.Errorf("%s: exit %d, want %q\n%s%s", want.flag, code, want.says, out, errs)
		}
	}
	if got := stored(); got != 4 {
		t.Errorf("the stream has %d, want those of somebody else", got)
	}
	if kv, err := owner.KeyValue(t.Context(), "TREBLE_AUDIT"); err != nil {
		t.Errorf("the record is not there: %v", err)
	} else if keys, err := kv.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("records %v, %v", keys, err)
	}
}
