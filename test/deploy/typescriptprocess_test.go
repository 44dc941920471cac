//go:build deploy

package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// tsProcess is a running consumer in TypeScript.
type tsProcess struct {
	t *testing.T
	*bridge.Process
}

// tsOutcome is a line of the consumer's output.
type tsOutcome struct {
	Sequence         uint64
	Answer, Kind, ID string
	Test             bool
	Note             string
}

// startTypeScript starts the consumer under a name.
func startTypeScript(t *testing.T, from *bridge.Process, dir, name string) tsProcess {
	t.Helper()
	cmd := exec.Command("node", "dist/main.js")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NATS_URL=nats://"+from.Addrs.NATS, "NATS_TOKEN="+from.NATSToken(t), "CONSUMER="+name)
	return tsProcess{t, bridge.Start(t, cmd)}
}

// settled waits until every message of the stream is acknowledged or terminated.
func (p tsProcess) settled(js jetstream.JetStream) {
	p.t.Helper()
	last := natstest.Messages(p.t, js, "TREBLE")
	p.Await("the consumer has settled everything", func(ctx context.Context) error {
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
func (p tsProcess) check(js jetstream.JetStream) {
	p.t.Helper()
	msgs := natstest.Messages(p.t, js, "TREBLE")
	var lines []tsOutcome
	for s := bufio.NewScanner(strings.NewReader(p.Output.String())); s.Scan(); {
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
