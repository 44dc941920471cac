package e2e

import (
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
	bridge.MustCommand(t, nil, "keys", "create", keys)

	const secret = "zq-no-nats-yet"
	away := bridge.Launch(t, dir, encrypted, "TREBLE_BRIDGE_NATS_URL=nats://"+bridge.FreePort(t))
	away.Listening()
	away.PostEvent(t, bridge.ReadEvent(secret, 0, 20))
	if r := away.Post(t, bridge.Request{Body: `{"neither":"` + secret + `"`}); r.Status != 400 {
		t.Fatalf("a malformed body: %+v", r)
	}
	away.Kill()
	if found := filesWith(t, dir, secret); len(found) > 0 {
		t.Errorf("%v can be read", found)
	}

	if out := bridge.MustCommand(t, env, "journal", "export"); !strings.Contains(out, secret) {
		t.Errorf("journal export has not what was accepted:\n%s", out)
	}
	bridge.MustCommand(t, env, "journal", "verify")
	if out, errs, code := bridge.Command(t, env[:1], "journal", "verify"); code == 0 || !strings.Contains(out+errs, "encryption.key_file") {
		t.Errorf("journal verify without the keys: exit code %d\n%s%s", code, out, errs)
	}
	expectNoStart(t, dir)

	bridge.MustCommand(t, nil, "keys", "rotate", keys)
	p := bridge.ServeOn(t, dir, encrypted)
	p.Published(t)
	if got := bridge.StreamSessions(t, p.JetStream(t)); len(got) != 1 || got[0] != secret {
		t.Errorf("in the stream: %q", got)
	}
}

// expectNoStart wants that the bridge does not start without the keys, and says why.
func expectNoStart(t *testing.T, dir string) {
	t.Helper()
	without := bridge.Launch(t, dir)
	if code := without.ExitCode(); code == 0 || !strings.Contains(without.Output.String(), "encryption.key_file") {
		t.Errorf("without the keys: exit code %d\n%s", code, without.Output.String())
	}
}

// TestEncryptionOfTheStore: the embedded server's store is encrypted, what was in it before
// too, and opened after a rotation. Without the keys the bridge does not start on it.
func TestEncryptionOfTheStore(t *testing.T) {
	dir := t.TempDir()
	post := func(p *bridge.Process, session string) {
		t.Helper()
		p.PostEvent(t, bridge.ReadEvent(session, 0, 20))
		p.Published(t)
	}
	plain := bridge.ServeOn(t, dir)
	post(plain, "zq-before")
	plain.Stop()

	keys := filepath.Join(t.TempDir(), "keys.json")
	encrypted := "TREBLE_BRIDGE_ENCRYPTION_KEY_FILE=" + keys
	bridge.MustCommand(t, nil, "keys", "create", keys)
	p := bridge.ServeOn(t, dir, encrypted)
	post(p, "zq-after")
	p.Kill()
	if found := filesWith(t, filepath.Join(dir, "nats"), "zq-"); len(found) > 0 {
		t.Errorf("%v can be read", found)
	}

	expectNoStart(t, dir)
	bridge.MustCommand(t, nil, "keys", "rotate", keys)
	p = bridge.ServeOn(t, dir, encrypted)
	if got := bridge.StreamSessions(t, p.JetStream(t)); strings.Join(got, " ") != "zq-before zq-after" {
		t.Errorf("in the stream: %q", got)
	}
}
