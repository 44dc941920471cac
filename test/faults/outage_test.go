package faults

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// TestNATSOutage takes NATS away from the bridge in two ways and holds the
// replies and the stream against each other: what got 200 is stored once, what
// got 503 is not there, and what got 504 may be either.
func TestNATSOutage(t *testing.T) {
	t.Parallel()
	network := docker.Network(t)
	nats := network.NATS()
	daemon := network.Bridge("bridge", nats.URL(), "TREBLE_BRIDGE_PUBLISHER_ACK=stream")
	o := &outage{t: t, bridge: daemon, sessions: map[int][]string{}}

	o.post("up", http.StatusOK)

	nats.Stop()
	daemon.Says(http.StatusServiceUnavailable)
	for _, r := range o.post("stopped", http.StatusServiceUnavailable) {
		if r.Header.Get("Retry-After") == "" {
			t.Error("stopped: got no Retry-After, want one")
		}
	}

	nats.Start()
	nats.Ready()
	daemon.Says(http.StatusOK)
	o.post("started-again", http.StatusOK)

	nats.Pause()
	// One batch is on its way at a time: what waits behind it was never sent.
	unknown := 0
	for _, r := range o.post("paused", http.StatusGatewayTimeout, http.StatusServiceUnavailable) {
		if r.Status == http.StatusGatewayTimeout {
			unknown++
			if !strings.Contains(r.Body, "outcome-unknown") {
				t.Errorf("paused: got body %s, want the problem outcome-unknown", r.Body)
			}
		}
	}
	if unknown == 0 {
		t.Error("paused: no request was answered 504")
	}

	nats.Unpause()
	nats.Ready()
	daemon.Says(http.StatusOK)
	o.post("unpaused", http.StatusOK)

	stored := map[string]int{}
	for _, session := range bridge.StreamSessions(t, nats.JetStream()) {
		stored[session]++
	}
	o.compare(stored)
}

// outage posts events and remembers what was answered.
type outage struct {
	t        *testing.T
	bridge   *containers.Bridge
	sessions map[int][]string // by status
}

// post sends three events with sessions of their own, at the same time, and
// wants every one answered with one of the statuses.
func (o *outage) post(phase string, want ...int) (replies []bridge.Reply) {
	o.t.Helper()
	const n = 3
	sent := bridge.PostAll(o.bridge.Addr(), phase, n)
	for range n {
		e := <-sent
		if e.Err != nil {
			o.t.Fatalf("%s: %v", e.Session, e.Err)
		}
		if !slices.Contains(want, e.Reply.Status) {
			o.t.Errorf("%s: got %d %s, want %v", e.Session, e.Reply.Status, e.Reply.Body, want)
		}
		o.sessions[e.Reply.Status] = append(o.sessions[e.Reply.Status], e.Session)
		replies = append(replies, e.Reply)
	}
	return replies
}

// compare holds what was answered against how often each session is stored.
func (o *outage) compare(stored map[string]int) {
	o.t.Helper()
	for status, sessions := range o.sessions {
		for _, s := range sessions {
			switch n := stored[s]; {
			case status == http.StatusOK && n != 1:
				o.t.Errorf("%s, answered 200: got it %d times in the stream, want 1", s, n)
			case status == http.StatusGatewayTimeout && n > 1:
				o.t.Errorf("%s, answered 504: got it %d times in the stream, want at most 1", s, n)
			case status != http.StatusOK && status != http.StatusGatewayTimeout && n != 0:
				o.t.Errorf("%s, answered %d: got it %d times in the stream, want 0", s, status, n)
			}
			delete(stored, s)
		}
	}
	for s, n := range stored {
		o.t.Errorf("%s: got it %d times in the stream, but nobody posted it", s, n)
	}
}
