package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/testcontainers/testcontainers-go"

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
	daemon := network.Bridge(nats.URL(), testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_PUBLISHER_ACK": "stream"}))
	o := &outage{t: t, bridge: daemon, sessions: map[int][]string{}}

	o.post("up", http.StatusOK)

	nats.Stop()
	o.readyz(http.StatusServiceUnavailable)
	for _, r := range o.post("stopped", http.StatusServiceUnavailable) {
		if r.Header.Get("Retry-After") == "" {
			t.Error("stopped: got no Retry-After, want one")
		}
	}

	nats.Start()
	nats.Ready()
	o.readyz(http.StatusOK)
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
	o.readyz(http.StatusOK)
	o.post("unpaused", http.StatusOK)

	o.compare(stored(t, nats))
}

// outage posts events and remembers what was answered.
type outage struct {
	t        *testing.T
	bridge   *containers.Bridge
	sessions map[int][]string // by status
}

// post sends three events with sessions of their own, at the same time, and
// wants every one answered with one of the statuses.
func (o *outage) post(phase string, want ...int) []bridge.Reply {
	o.t.Helper()
	const n = 3
	url := o.bridge.URL("/webhook")
	type result struct {
		session string
		reply   bridge.Reply
		err     error
	}
	results := make(chan result, n)
	for i := range n {
		session := fmt.Sprintf("%s-%d", phase, i)
		body := bridge.MessageRead(o.t, session)
		go func() {
			r, err := bridge.Post(url, body)
			results <- result{session, r, err}
		}()
	}
	var replies []bridge.Reply
	for range n {
		r := <-results
		if r.err != nil {
			o.t.Fatalf("%s: POST: %v", phase, r.err)
		}
		if !slices.Contains(want, r.reply.Status) {
			o.t.Errorf("%s: got %d %s, want %v", r.session, r.reply.Status, r.reply.Body, want)
		}
		o.sessions[r.reply.Status] = append(o.sessions[r.reply.Status], r.session)
		replies = append(replies, r.reply)
	}
	return replies
}

// readyz waits until the bridge has noticed the state of NATS.
func (o *outage) readyz(want int) {
	o.t.Helper()
	url := o.bridge.OpsURL("/readyz")
	got := "no answer"
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			got = err.Error()
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == want {
			return
		}
		got = fmt.Sprintf("%s %s", resp.Status, body)
	}
	o.t.Fatalf("GET /readyz: got %s, want %d within 30s", got, want)
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

// stored counts the events in the stream by session.
func stored(t *testing.T, nats *containers.NATS) map[string]int {
	t.Helper()
	js, err := jetstream.New(nats.Connect())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("message %d: %v", seq, err)
		}
		var envelope struct {
			Subject string `json:"subject"`
		}
		if err := json.Unmarshal(msg.Data, &envelope); err != nil {
			t.Fatalf("message %d: %v", seq, err)
		}
		count[envelope.Subject]++
	}
	return count
}
