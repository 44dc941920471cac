package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
			checkAccepted(t, r)
			p.published(t)
			msgs := read(t, js, "TREBLE")[stored:]
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
		checkAccepted(t, r)
		p.published(t)
		if got := len(read(t, js, "TREBLE")); got != stored {
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
	t.Run("quarantine", func(t *testing.T) { p.checkQuarantine(t, js) })
	t.Run("refused-is-not-stored", func(t *testing.T) {
		p.published(t)
		if got := len(read(t, js, "TREBLE")); got != stored {
			t.Errorf("got %d messages after what was refused, want %d as before", got, stored)
		}
	})
	t.Run("metrics", func(t *testing.T) { p.checkMetrics(t, sent, stored) })
	t.Run("addresses", p.checkAddresses)
	t.Run("sigterm", func(t *testing.T) {
		if code := p.terminate(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
}

// checkAccepted wants the reply that Treble takes for a yes and merges into
// nothing.
func checkAccepted(t *testing.T, r reply) {
	t.Helper()
	if r.status != http.StatusOK || strings.TrimSpace(r.body) != "{}" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %q, want 200 application/json {}", r.status, r.header.Get("Content-Type"), r.body)
	}
}

// checkAddresses wants the addresses really bound in the data directory, too.
func (p *process) checkAddresses(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(p.dataDir, "addr.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got addresses
	if err := json.Unmarshal(b, &got); err != nil || got != p.addrs {
		t.Errorf("addr.json: got %s (%v), want the same as --addr-file: %v", b, err, p.addrs)
	}
}

// jetStream connects to the embedded NATS.
func (p *process) jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("nats://" + p.addrs.NATS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// tally counts replies by status.
type tally map[int]int

func (c *tally) add(status int) {
	if *c == nil {
		*c = tally{}
	}
	(*c)[status]++
}

// request is a POST of a body with a good token, but for what is set.
type request struct {
	method, path, contentType, token string
	body                             string
	chunked                          bool
}

// post sends a request to the bridge.
func (p *process) post(t *testing.T, r request) reply {
	t.Helper()
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body) // hides the length from net/http
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	req, err := http.NewRequestWithContext(t.Context(), or(r.method, http.MethodPost),
		"http://"+p.addrs.Ingress+or(r.path, "/webhook"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+or(r.token, containers.Token))
	req.Header.Set("Content-Type", or(r.contentType, "application/json"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// payloads returns the names of the example payloads, sorted.
func payloads(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "payloads"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func payload(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "payloads", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// read returns the messages of a stream, in order.
func read(t *testing.T, js jetstream.JetStream, name string) []*jetstream.RawStreamMsg {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatalf("stream %s: %v", name, err)
	}
	var msgs []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("message %d of %s: %v", seq, name, err)
		}
		msgs = append(msgs, msg)
	}
	return msgs
}

// checkQuarantine wants every refused body that is to be kept, byte for byte
// and under its reason. It is written after the reply, so this waits.
func (p *process) checkQuarantine(t *testing.T, js jetstream.JetStream) {
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
		for _, m := range read(t, js, "TREBLE_QUARANTINE") {
			got = append(got, m.Subject+" "+string(m.Data))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return errors.New(diff(got, want))
		}
		return nil
	})
	for _, m := range read(t, js, "TREBLE_QUARANTINE") {
		for name, values := range m.Header {
			if strings.Contains(strings.Join(values, " "), containers.Token) {
				t.Errorf("%s: header %s holds the token", m.Subject, name)
			}
		}
	}
}

// diff names what is only on one side.
func diff(got, want []string) string {
	var b strings.Builder
	for _, g := range got {
		if !slices.Contains(want, g) {
			fmt.Fprintf(&b, "got %.200q, not wanted\n", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			fmt.Fprintf(&b, "want %.200q, not got\n", w)
		}
	}
	fmt.Fprintf(&b, "got %d, want %d", len(got), len(want))
	return b.String()
}

// published waits until nothing is pending in the journal.
func (p *process) published(t *testing.T) {
	t.Helper()
	p.await("everything is published", func(ctx context.Context) error {
		for _, name := range []string{"treble_bridge_pending_events", "treble_bridge_unaccounted_events"} {
			if n := p.metrics(t)[name]; n != 0 {
				return fmt.Errorf("%s is %v", name, n)
			}
		}
		return nil
	})
}
