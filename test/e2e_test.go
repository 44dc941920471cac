package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// maxBody is small, so that an oversize body is one, too.
const maxBody = 256 << 10

// TestEndToEnd starts the real binary, posts what Treble sends and what it
// never should, and looks at everything that comes out of it.
func TestEndToEnd(t *testing.T) {
	for _, ack := range []string{"journal", "stream"} {
		t.Run(ack, func(t *testing.T) { endToEnd(t, ack) })
	}
}

func endToEnd(t *testing.T, ack string) {
	p := serve(t, fmt.Sprintf("TREBLE_BRIDGE_INGRESS_MAX_BODY=%d", maxBody), "TREBLE_BRIDGE_PUBLISHER_ACK="+ack)
	js := p.jetStream(t)
	var sent tally
	stored := 0

	for _, name := range payloads(t) {
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			r := p.post(t, request{body: payload(t, name)})
			sent.add(r.status)
			r.accepted(t)
			p.published(t)
			msgs := natstest.Messages(t, js, "TREBLE")[stored:]
			stored += len(msgs)
			for _, m := range msgs {
				checkEvent(t, m)
			}
			compareGolden(t, name, msgs)
		})
	}
	t.Run("repeated", func(t *testing.T) {
		r := p.post(t, request{body: payload(t, "message-read.json")})
		sent.add(r.status)
		r.accepted(t)
		p.published(t)
		if got := len(natstest.Messages(t, js, "TREBLE")); got != stored {
			t.Errorf("got %d messages after a repeated delivery, want %d as before", got, stored)
		}
	})
	for _, c := range refusals() {
		t.Run("refused-"+c.name, func(t *testing.T) {
			r := p.post(t, c.request)
			sent.add(r.status)
			c.check(t, r)
		})
	}
	t.Run("quarantine", func(t *testing.T) { checkQuarantine(t, p, js) })
	t.Run("refused-is-not-stored", func(t *testing.T) {
		p.published(t)
		if got := len(natstest.Messages(t, js, "TREBLE")); got != stored {
			t.Errorf("got %d messages after what was refused, want %d as before", got, stored)
		}
	})
	t.Run("metrics", func(t *testing.T) { checkMetrics(t, p, sent, stored) })
	t.Run("addresses", func(t *testing.T) { checkAddresses(t, p) })
	t.Run("sigterm", func(t *testing.T) {
		if code := p.terminate(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
}

// checkAddresses wants the addresses really bound in the data directory, too.
func checkAddresses(t *testing.T, p *process) {
	b, err := os.ReadFile(filepath.Join(p.dataDir, "addr.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got addresses
	if err := json.Unmarshal(b, &got); err != nil || got != p.addrs {
		t.Errorf("addr.json: got %s (%v), want the same as --addr-file: %v", b, err, p.addrs)
	}
}

// checkQuarantine wants every refused body that is to be kept, byte for byte
// and under its reason. It is written after the reply, so this waits.
func checkQuarantine(t *testing.T, p *process, js jetstream.JetStream) {
	t.Helper()
	var want []string
	for _, c := range refusals() {
		if c.kept {
			body := c.request.body
			if c.problem == "body-too-large" {
				body = body[:64<<10] // the beginning
			}
			want = append(want, "treble-quarantine."+c.problem+" "+body)
		}
	}
	slices.Sort(want)
	p.await("the quarantine holds what was refused", func(context.Context) error {
		var got []string
		for _, m := range natstest.Messages(t, js, "TREBLE_QUARANTINE") {
			got = append(got, m.Subject+" "+string(m.Data))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return errors.New(diff(got, want))
		}
		return nil
	})
	for _, m := range natstest.Messages(t, js, "TREBLE_QUARANTINE") {
		for name, values := range m.Header {
			if strings.Contains(strings.Join(values, " "), containers.Token) {
				t.Errorf("%s: header %s holds the token", m.Subject, name)
			}
		}
	}
}
