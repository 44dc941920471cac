//go:build deploy

package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// tsDir holds the TypeScript consumer, tsSchemas what its types are made from.
const (
	tsDir     = "../consumers/typescript"
	tsSchemas = "../../schema/jsonschema"
)

// tsConsumer is the name of the durable consumer that reads everything.
const tsConsumer = "typescript"

// TestDeployTypeScript needs Node 18 or later, with npm. It installs the TypeScript consumer as its lock file says,
// generates its types, checks it, and lets it read every kind from a bridge.
func TestDeployTypeScript(t *testing.T) {
	dir := copyTypeScript(t)
	in(t, dir, "npm", "ci", "--no-audit", "--no-fund")
	t.Run("types", func(t *testing.T) {
		in(t, dir, "npm", "run", "generate", "--", bridge.Absolute(t, tsSchemas))
		got, want := bridge.ReadFile(t, filepath.Join(dir, "src/events.ts")), bridge.ReadFile(t, filepath.Join(tsDir, "src/events.ts"))
		if got != want {
			t.Errorf("%s/src/events.ts is not what the schemas give: there, run npm ci && npm run generate", tsDir)
		}
	})
	in(t, dir, "npm", "run", "build") // tsc, strict
	t.Run("settle", func(t *testing.T) { in(t, dir, "npm", "test") })
	t.Run("bridge", func(t *testing.T) { consumeInTypeScript(t, dir) })
}

// copyTypeScript copies the consumer, so that nothing is installed or built among the sources.
func copyTypeScript(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.CopyFS(dir, os.DirFS(tsDir)), os.RemoveAll(filepath.Join(dir, "dist"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// consumeInTypeScript posts every payload and every sample to a bridge, adds
// what a consumer must survive, and holds what the consumer printed against
// the stream.
func consumeInTypeScript(t *testing.T, dir string) {
	p := bridge.Serve(t)
	js := p.JetStream(t)
	for _, name := range bridge.Payloads(t) {
		p.PostEvent(t, bridge.Payload(t, name))
	}
	sendSamples(t, p)
	p.Published(t)

	terminated := make(chan string, 1)
	_, err := js.Conn().Subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.TREBLE."+tsConsumer, func(m *nats.Msg) {
		terminated <- string(m.Data)
	})
	if err != nil {
		t.Fatal(err)
	}
	foreign(t, js, "message.edited", []byte(`{"specversion":"1.0","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","source":"/treble/default",`+
		`"type":"ai.treble.message.edited","time":"2026-01-01T00:00:00Z","receivedtime":"2026-01-01T00:00:00Z","data":{"raw":{}}}`))
	foreign(t, js, "message.read", []byte("no event"))

	c := startTypeScript(t, p, dir, tsConsumer)
	c.settled(js)
	select {
	case advisory := <-terminated:
		if !strings.Contains(advisory, "not an event") {
			t.Errorf("the reason is not in the advisory: %s", advisory)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server told of no message that was terminated")
	}
	c.check(js)

	p.PostEvent(t, `{"session_id": "late", "read_at": "2026-01-01 10:00:00"}`)
	p.Published(t)
	c.settled(js)
	c.check(js)
	c.Stop()

	endsWithoutConsumer(t, p, js, dir)
}

// endsWithoutConsumer wants the program to end with an error when its consumer is
// deleted, so that whoever supervises it starts it again.
func endsWithoutConsumer(t *testing.T, from *bridge.Process, js jetstream.JetStream, dir string) {
	const name = "deleted"
	c := startTypeScript(t, from, dir, name)
	c.Await("the consumer waits for events", func(ctx context.Context) error {
		info, err := js.Consumer(ctx, "TREBLE", name)
		if err != nil {
			return err
		}
		if info.CachedInfo().NumWaiting == 0 {
			return errors.New("nobody pulls")
		}
		return nil
	})
	if err := js.DeleteConsumer(t.Context(), "TREBLE", name); err != nil {
		t.Fatal(err)
	}
	if code := c.ExitCode(); code == 0 || !strings.Contains(c.Output.String(), "consumer deleted") {
		t.Errorf("its consumer was deleted: got exit code %d, want an error that says so", code)
	}
}

// sendSamples lets the bridge's own command post each of its samples.
func sendSamples(t *testing.T, p *bridge.Process) {
	t.Helper()
	for _, name := range strings.Fields(bridge.MustCommand(t, nil, "send", "--list")) {
		bridge.MustCommand(t, nil, "send", name, "--url", "http://"+p.Addrs.Ingress+"/webhook", "--token", bridge.Token)
	}
}

// foreign publishes what does not come from the bridge.
func foreign(t *testing.T, js jetstream.JetStream, kind string, data []byte) {
	t.Helper()
	if _, err := js.Publish(t.Context(), "treble."+kind, data); err != nil {
		t.Fatal(err)
	}
}
