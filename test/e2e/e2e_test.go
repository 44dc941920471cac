package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// maxBody is small, so that an oversize body is one, too.
const maxBody = 256 << 10

// TestEndToEnd starts the real binary, posts what Treble sends and what it
// never should, and looks at everything that comes out of it.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	for _, ack := range []string{"journal", "stream"} {
		t.Run(ack, func(t *testing.T) { endToEnd(t, ack) })
	}
}

func endToEnd(t *testing.T, ack string) {
	p := bridge.Serve(t, fmt.Sprintf("TREBLE_BRIDGE_INGRESS_MAX_BODY=%d", maxBody), "TREBLE_BRIDGE_PUBLISHER_ACK="+ack)
	js := p.JetStream(t)
	sent := map[int]int{} // requests by status
	stored := 0

	for _, name := range bridge.Payloads(t) {
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			r := p.Post(t, bridge.Request{Body: bridge.Payload(t, name)})
			sent[r.Status]++
			r.Accepted(t)
			p.Published(t)
			msgs := natstest.Messages(t, js, "TREBLE")[stored:]
			stored += len(msgs)
			for _, m := range msgs {
				checkEvent(t, m)
			}
			compareGolden(t, name, msgs)
		})
	}
	t.Run("repeated", func(t *testing.T) {
		r := p.Post(t, bridge.Request{Body: bridge.Payload(t, "message-read.json")})
		sent[r.Status]++
		r.Accepted(t)
		p.Published(t)
		if got := len(natstest.Messages(t, js, "TREBLE")); got != stored {
			t.Errorf("got %d messages after a repeated delivery, want %d as before", got, stored)
		}
	})
	for _, c := range refusals() {
		t.Run("refused-"+c.name, func(t *testing.T) {
			r := p.Post(t, c.request)
			sent[r.Status]++
			c.check(t, r)
		})
	}
	t.Run("quarantine", func(t *testing.T) { checkQuarantine(t, p, js) })
	t.Run("refused-is-not-stored", func(t *testing.T) {
		p.Published(t)
		if got := len(natstest.Messages(t, js, "TREBLE")); got != stored {
			t.Errorf("got %d messages after what was refused, want %d as before", got, stored)
		}
	})
	t.Run("metrics", func(t *testing.T) { checkMetrics(t, p, sent, stored) })
	t.Run("metrics-lint", func(t *testing.T) { lintMetrics(t, p) })
	t.Run("addresses", func(t *testing.T) { checkAddresses(t, p) })
	p.Stop()
}

// checkAddresses wants the addresses really bound in the data directory, too.
func checkAddresses(t *testing.T, p *bridge.Process) {
	b := bridge.ReadFile(t, filepath.Join(p.DataDir, "addr.json"))
	var got bridge.Addresses
	if err := json.Unmarshal([]byte(b), &got); err != nil || got != p.Addrs {
		t.Errorf("addr.json: got %s (%v), want the same as --addr-file: %v", b, err, p.Addrs)
	}
}

// checkQuarantine wants every refused body that is to be kept, byte for byte
// and under its reason. It is written after the reply, so this waits.
func checkQuarantine(t *testing.T, p *bridge.Process, js jetstream.JetStream) {
	t.Helper()
	var want []string
	for _, c := range refusals() {
		if c.kept {
			body := c.request.Body
			if c.problem == "body-too-large" {
				body = body[:64<<10] // the beginning
			}
			want = append(want, "treble-quarantine."+c.problem+" "+body)
		}
	}
	slices.Sort(want)
	p.Await("the quarantine holds what was refused", func(context.Context) error {
		var got []string
		for _, m := range natstest.Messages(t, js, "TREBLE_QUARANTINE") {
			got = append(got, m.Subject+" "+string(m.Data))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return errors.New(bridge.Diff(got, want))
		}
		return nil
	})
	for _, m := range natstest.Messages(t, js, "TREBLE_QUARANTINE") {
		for name, values := range m.Header {
			if strings.Contains(strings.Join(values, " "), bridge.Token) {
				t.Errorf("%s: header %s holds the token", m.Subject, name)
			}
		}
	}
}
