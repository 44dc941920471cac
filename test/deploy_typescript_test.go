//go:build deploy

package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// tsDir holds the TypeScript consumer, tsSchemas what its types are made from.
const (
	tsDir     = "consumers/typescript"
	tsSchemas = "../schema/jsonschema"
)

// tsConsumer is the name of the durable consumer that reads everything.
const tsConsumer = "typescript"

// TestDeployTypeScript installs the TypeScript consumer as its lock file says,
// generates its types, checks it, and lets it read every kind from a bridge.
func TestDeployTypeScript(t *testing.T) {
	dir := copyTypeScript(t)
	tsRun(t, dir, "npm", "ci", "--no-audit", "--no-fund")
	t.Run("types", func(t *testing.T) {
		tsRun(t, dir, "npm", "run", "generate", "--", absolute(t, tsSchemas))
		got, want := readFile(t, filepath.Join(dir, "src/events.ts")), readFile(t, filepath.Join(tsDir, "src/events.ts"))
		if got != want {
			t.Errorf("%s/src/events.ts is not what the schemas give: there, run npm ci && npm run generate", tsDir)
		}
	})
	tsRun(t, dir, "npm", "run", "build") // tsc, strict
	t.Run("settle", func(t *testing.T) { tsRun(t, dir, "npm", "test") })
	t.Run("bridge", func(t *testing.T) { consumeInTypeScript(t, dir) })
}

// copyTypeScript copies what git tracks of the consumer, so that nothing is
// installed or built among the sources.
func copyTypeScript(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.WalkDir(tsDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist") {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(tsDir, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func tsRun(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: this test needs Node 18 or later, with npm", err)
	} else if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// tsOutcome is a line of the consumer's output.
type tsOutcome struct {
	Sequence         uint64
	Answer, Kind, ID string
	Test             bool
	Note             string
}

// consumeInTypeScript posts every payload and every sample to a bridge, adds
// what a consumer must survive, and holds what the consumer printed against
// the stream.
func consumeInTypeScript(t *testing.T, dir string) {
	p := serve(t)
	js := p.jetStream(t)
	for _, name := range payloads(t) {
		checkAccepted(t, p.post(t, request{body: payload(t, name)}))
	}
	sendSamples(t, p)
	p.published(t)

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

	checkAccepted(t, p.post(t, request{body: `{"session_id": "late", "read_at": "2026-01-01 10:00:00"}`}))
	p.published(t)
	c.settled(js)
	c.check(js)
	if code := c.terminate(); code != 0 {
		t.Errorf("after SIGTERM: got exit code %d, want 0", code)
	}

	endsWithoutConsumer(t, p, js, dir)
}

// endsWithoutConsumer wants the program to end with an error when its consumer is
// deleted, so that whoever supervises it starts it again.
func endsWithoutConsumer(t *testing.T, bridge *process, js jetstream.JetStream, dir string) {
	const name = "deleted"
	c := startTypeScript(t, bridge, dir, name)
	c.await("the consumer waits for events", func(ctx context.Context) error {
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
	select {
	case <-c.ended:
		if code := c.cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(c.output.String(), "consumer deleted") {
			t.Errorf("its consumer was deleted: got exit code %d, want an error that says so", code)
		}
	case <-time.After(time.Minute):
		t.Error("its consumer was deleted, and it goes on waiting")
	}
}

// sendSamples lets the bridge's own command post each of its samples.
func sendSamples(t *testing.T, p *process) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), bridge.path(t), "send", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		send := exec.CommandContext(t.Context(), bridge.path(t), "send", name, "--url", "http://"+p.addrs.Ingress+"/webhook", "--token", containers.Token)
		if out, err := send.CombinedOutput(); err != nil {
			t.Fatalf("send %s: %v\n%s", name, err, out)
		}
	}
}

// foreign publishes what does not come from the bridge.
func foreign(t *testing.T, js jetstream.JetStream, kind string, data []byte) {
	t.Helper()
	if _, err := js.Publish(t.Context(), "treble."+kind, data); err != nil {
		t.Fatal(err)
	}
}

// startTypeScript starts the consumer under a name.
func startTypeScript(t *testing.T, bridge *process, dir, name string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan struct{})}
	p.cmd = exec.Command("node", "dist/main.js")
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "NATS_URL=nats://"+bridge.addrs.NATS, "CONSUMER="+name)
	p.start()
	return p
}

// settled waits until every message of the stream is acknowledged or terminated.
func (p *process) settled(js jetstream.JetStream) {
	p.t.Helper()
	last := read(p.t, js, "TREBLE")
	p.await("the consumer has settled everything", func(ctx context.Context) error {
		c, err := js.Consumer(ctx, "TREBLE", tsConsumer)
		if err != nil {
			return err
		}
		i := c.CachedInfo()
		if i.NumPending != 0 || i.NumAckPending != 0 || i.AckFloor.Stream != uint64(len(last)) {
			return fmt.Errorf("%d to come, %d at work, settled up to %d of %d", i.NumPending, i.NumAckPending, i.AckFloor.Stream, len(last))
		}
		return nil
	})
}

// check holds the lines of the consumer against the stream: one for each message,
// in order, and every kind among them.
func (p *process) check(js jetstream.JetStream) {
	p.t.Helper()
	msgs := read(p.t, js, "TREBLE")
	var lines []tsOutcome
	for s := bufio.NewScanner(strings.NewReader(p.output.String())); s.Scan(); {
		var o tsOutcome
		if err := json.Unmarshal(s.Bytes(), &o); err != nil {
			p.t.Fatalf("a line of the consumer: %v\n%s", err, s.Text())
		}
		lines = append(lines, o)
	}
	if len(lines) != len(msgs) {
		p.t.Fatalf("got %d lines, want one for each of %d messages", len(lines), len(msgs))
	}
	var kinds []schema.Kind
	for i, m := range msgs {
		want := tsOutcome{Sequence: m.Sequence, Answer: "term", Note: lines[i].Note}
		if e, err := schema.Decode(m.Data); err == nil {
			want.Answer, want.Kind, want.ID, want.Test = "ack", string(e.Kind), e.ID, e.Data.Base().Test
			kinds = append(kinds, e.Kind)
		}
		if lines[i] != want {
			p.t.Errorf("message %d: got %+v, want %+v", m.Sequence, lines[i], want)
		}
	}
	for _, k := range schema.Kinds() {
		if !slices.Contains(kinds, k) {
			p.t.Errorf("no event of the kind %s was there to be read", k)
		}
	}
}
