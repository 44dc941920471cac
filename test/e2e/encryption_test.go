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
	expectUnreadable(t, dir, secret)

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

// expectUnreadable looks for a text in every file below dir.
func expectUnreadable(t *testing.T, dir, text string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			t.Errorf("%s can be read", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files: %v", files, err)
	}
}

// TestEncryptionOfTheStore: the embedded server's store is encrypted, what was in it before
// too, and opened after a rotation. Without the keys the bridge does not start on it.
func TestEncryptionOfTheStore(t *testing.T) {
	dir := t.TempDir()
	post := func(p *bridge.Process, session string) {
		t.Helper()
		p.Ready()
		p.Post(t, bridge.Request{Body: bridge.MessageRead(t, session)}).Accepted(t)
		p.Published(t)
	}
	plain := bridge.Launch(t, bridge.Binary(t), dir)
	post(plain, "zq-before")
	if code := plain.Terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	keys := filepath.Join(t.TempDir(), "keys.json")
	encrypted := "TREBLE_BRIDGE_ENCRYPTION_KEY_FILE=" + keys
	if out, code := command(t, nil, "keys", "create", keys); code != 0 {
		t.Fatal(out)
	}
	p := bridge.Launch(t, bridge.Binary(t), dir, encrypted)
	post(p, "zq-after")
	p.Kill()
	expectUnreadable(t, filepath.Join(dir, "nats"), "zq-")

	without := bridge.Launch(t, bridge.Binary(t), dir)
	if code := without.ExitCode(); code == 0 || !strings.Contains(without.Output.String(), "encryption.key_file") {
		t.Errorf("without the keys: exit code %d\n%s", code, without.Output.String())
	}
	if out, code := command(t, nil, "keys", "rotate", keys); code != 0 {
		t.Fatal(out)
	}
	p = bridge.Launch(t, bridge.Binary(t), dir, encrypted)
	p.Ready()
	if got := bridge.StreamSessions(t, p.JetStream(t)); strings.Join(got, " ") != "zq-before zq-after" {
		t.Errorf("in the stream: %q", got)
	}
}
