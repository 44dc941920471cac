package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestCanary walks the real binary at log level debug through its ways to
// accept and to refuse, with canaries wherever a value comes from outside, and
// looks for them in everything that comes out.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			a := startCanaryBridge(t, format)
			a.walk(t)
			a.walkWithoutNATS(t)
			a.end(t)
		})
	}
}

// canaryBridge is a bridge in front of a NATS that asks for a token.
type canaryBridge struct {
	*bridge.Process
	env    []string
	broker *natstest.Server
	proxy  *natstest.Proxy
}

// natsMaxPayload is less than an event of the largest body needs.
const natsMaxPayload = maxBody / 2

func startCanaryBridge(t *testing.T, format string) *canaryBridge {
	t.Helper()
	a := &canaryBridge{broker: natstest.Start(t, func(o *server.Options) {
		o.Authorization = secret.nats.value
		o.MaxPayload = natsMaxPayload
	})}
	a.proxy = natstest.StartProxy(t, a.broker.URL)
	a.env = []string{
		"TREBLE_BRIDGE_LOG_LEVEL=debug",
		"TREBLE_BRIDGE_LOG_FORMAT=" + format,
		"TREBLE_BRIDGE_AUTH_BEARER=" + secret.bearer.value,
		"TREBLE_BRIDGE_AUTH_BEARER_FILE=" + secretFile(t, secret.fromFile.value),
		"TREBLE_BRIDGE_AUTH_HEADER_NAME=X-Door",
		"TREBLE_BRIDGE_AUTH_HEADER_VALUES=" + secret.header.value,
		"TREBLE_BRIDGE_AUTH_BASIC_USER=treble",
		"TREBLE_BRIDGE_AUTH_BASIC_PASSWORDS=" + secret.password.value,
		"TREBLE_BRIDGE_AUTH_QUERY_NAME=door",
		"TREBLE_BRIDGE_AUTH_QUERY_VALUES=" + secret.parameter.value,
		"TREBLE_BRIDGE_AUTH_HMAC_HEADER=X-Sum",
		`TREBLE_BRIDGE_AUTH_SECRETS=[{"name": "signer", "scheme": "hmac", "value": "` + secret.signing.value + `"}]`,
		"TREBLE_BRIDGE_NATS_URL=nats://" + secret.nats.value + "@" + a.proxy.Addr(),
		"TREBLE_BRIDGE_PUBLISHER_ACK=stream",
		"TREBLE_BRIDGE_PUBLISHER_ACK_TIMEOUT=2s",
		"TREBLE_BRIDGE_SHUTDOWN_TIMEOUT=2s",
		"TREBLE_BRIDGE_INGRESS_MAX_IN_FLIGHT=2",
		fmt.Sprintf("TREBLE_BRIDGE_INGRESS_MAX_BODY=%d", maxBody),
	}
	a.Process = bridge.Serve(t, a.env...)
	return a
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// walk makes every request that needs no outage, and looks at what was stored.
func (a *canaryBridge) walk(t *testing.T) {
	for _, name := range bridge.Payloads(t) {
		a.request(t, newCanaryRequest(name, marked(t, name), 200))
	}
	for _, v := range canaryRequests() {
		a.request(t, v)
	}
	a.malformed(t)
	a.brokenOff(t)
	a.withoutPubAcks(t)
	a.checkStreams(t)
	a.checkCommands(t)
	a.checkOps(t)
}

// withoutPubAcks holds them back: as many requests as may be in work end with
// 504, and one more is too many.
func (a *canaryBridge) withoutPubAcks(t *testing.T) {
	a.proxy.HoldBack.Store(true)
	defer a.proxy.HoldBack.Store(false)
	type result struct {
		reply bridge.Reply
		err   error
	}
	results := make(chan result, 2)
	for i := range 2 {
		go func() {
			r, err := a.send(canaryRequest{Request: bridge.Request{Body: aBody(fmt.Sprint("held back ", i))}})
			results <- result{r, err}
		}()
	}
	a.Await("two requests are in work", bridge.Exactly(2, func() int { return a.Metrics(t).Sum("treble_bridge_requests_in_flight", "") }))
	a.request(t, newCanaryRequest("too-many", aBody("too many"), 429))
	unknown := 0
	for range 2 {
		r := <-results
		switch {
		case r.err == nil && r.reply.Status == http.StatusGatewayTimeout:
			unknown++
		case r.err != nil || r.reply.Status != http.StatusServiceUnavailable: // it waited behind the other, and was not sent
			t.Errorf("without PubAcks: got %d %s, %v; want 504, or 503", r.reply.Status, r.reply.Body, r.err)
		}
		expectNone(t, "the reply without a PubAck", fmt.Sprint(r.reply), everyCanary()...)
	}
	if unknown == 0 {
		t.Error("without PubAcks: no request was answered 504")
	}
}

// checkStreams looks for canaries in the streams: subjects hold none of them, and messages hold the personal ones
// but no secret.
func (a *canaryBridge) checkStreams(t *testing.T) {
	kept := 1 // what was broken off
	for _, v := range canaryRequests() {
		switch {
		case v.status == 400, v.status == 404, v.status == 415, v.status == 422, strings.HasPrefix(v.name, "too-large") && v.name != "too-large-for-nats":
			kept++
		}
	}
	a.Await("the quarantine is written", func(context.Context) error {
		if n := len(natstest.Messages(t, a.broker.JS, "TREBLE_QUARANTINE")); n != kept {
			return fmt.Errorf("got %d messages, want %d", n, kept)
		}
		return nil
	})
	var everything strings.Builder
	for _, name := range []string{"TREBLE", "TREBLE_QUARANTINE"} {
		for _, m := range natstest.Messages(t, a.broker.JS, name) {
			expectNone(t, "a subject", m.Subject, everyCanary()...)
			message := fmt.Sprintf("%s\n%v\n%s\n", m.Subject, m.Header, m.Data)
			expectNone(t, fmt.Sprintf("message %d of %s", m.Sequence, name), message, secrets()...)
			everything.WriteString(message)
		}
	}
	for _, c := range []canary{personal.phone, personal.text, personal.variable, personal.key, personal.header, personal.path} {
		if !c.in(everything.String()) {
			t.Errorf("the %s is in no message, so the test proves little", c.name)
		}
	}
}

// checkOps looks at what the ops listener says, and the address file.
func (a *canaryBridge) checkOps(t *testing.T) {
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/elsewhere?" + secret.query.value} {
		r, err := bridge.Get(t.Context(), a.OpsURL(path))
		if err != nil {
			t.Fatal(err)
		}
		expectNone(t, path, fmt.Sprint(r.Header)+"\n"+r.Body, everyCanary()...)
	}
	for _, file := range []string{filepath.Join(a.DataDir, "addr.json"), a.AddrFile} {
		expectNone(t, file, bridge.ReadFile(t, file), everyCanary()...)
	}
}

// walkWithoutNATS stops NATS. The refused body stays in memory until the end.
func (a *canaryBridge) walkWithoutNATS(t *testing.T) {
	a.broker.Kill()
	a.Await("/readyz says 503", func(ctx context.Context) error {
		return bridge.ExpectStatus(ctx, a.OpsURL("/readyz"), http.StatusServiceUnavailable)
	})
	a.request(t, newCanaryRequest("nats-away", aBody("nats away"), 503))
	a.request(t, newCanaryRequest("nats-away-refused", "{"+aBody("nats away"), 400))
	a.checkOps(t)
}

// end stops the bridge and looks at all that it wrote.
func (a *canaryBridge) end(t *testing.T) {
	a.Stop()
	out := a.Output.String()
	for _, want := range []string{"accepted", "unauthorized", "too-many-requests", "body-incomplete", "event-too-large",
		"outcome-unknown", "unavailable", "nats connection lost", "set aside"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output does not tell of %q, so the test did not come there", want)
		}
	}
	expectNone(t, "the output", out, everyCanary()...)
	found := false
	bridge.EachFile(t, a.DataDir, func(path string, content []byte) {
		found = found || personal.text.in(string(content))
		expectNone(t, path, path+"\n"+string(content), secrets()...)
	})
	if !found {
		t.Error("no file of the bridge holds what was set aside, so the test proves little")
	}
}
