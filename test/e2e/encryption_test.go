package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestEncryptionAtRest: what waits for NATS cannot be read on the disk, neither an event nor a
// refused body; the commands read it with the keys, and the bridge publishes it after a rotation. Without the keys
// it does not start.
func TestEncryptionAtRest(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(t.TempDir(), "keys.json")
	encrypted := "TREBLE_BRIDGE_ENCRYPTION_KEY_FILE=" + keys
	env := []string{"TREBLE_BRIDGE_DATA_DIR=" + dir, encrypted}
	run := func(env []string, args ...string) string {
		t.Helper()
		out, code := command(t, env, args...)
		if code != 0 {
			t.Fatalf("%q: exit code %d\n%s", args, code, out)
		}
		return out
	}
	run(nil, "keys", "create", keys)

	const secret = "zq-no-nats-yet"
	away := bridge.Launch(t, bridge.Binary(t), dir, encrypted, "TREBLE_BRIDGE_NATS_URL=nats://"+bridge.FreePort(t))
	away.Listening()
	away.Post(t, bridge.Request{Body: bridge.MessageRead(t, secret)}).Accepted(t)
	if r := away.Post(t, bridge.Request{Body: `{"neither":"` + secret + `"`}); r.Status != 400 {
		t.Fatalf("a malformed body: %+v", r)
	}
	away.Kill()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), secret) {
			t.Errorf("%s can be read", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if out := run(env, "journal", "export"); !strings.Contains(out, secret) {
		t.Errorf("journal export has not what was accepted:\n%s", out)
	}
	run(env, "journal", "verify")
	if out, code := command(t, env[:1], "journal", "verify"); code == 0 || !strings.Contains(out, "encryption.key_file") {
		t.Errorf("journal verify without the keys: exit code %d\n%s", code, out)
	}
	without := bridge.Launch(t, bridge.Binary(t), dir)
	if code := without.ExitCode(); code == 0 || !strings.Contains(without.Output.String(), "encryption.key_file") {
		t.Errorf("without the keys: exit code %d\n%s", code, without.Output.String())
	}

	run(nil, "keys", "rotate", keys)
	p := bridge.Launch(t, bridge.Binary(t), dir, encrypted)
	p.Ready()
	p.Published(t)
	if got := bridge.StreamSessions(t, p.JetStream(t)); len(got) != 1 || got[0] != secret {
		t.Errorf("in the stream: %q", got)
	}
}
