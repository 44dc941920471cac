package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// inWork is the number of requests inside Accept when SIGTERM comes.
const inWork = 60

// TestShutdown holds the PubAcks back, sends SIGTERM while every request waits
// for its own, and lets them go: every request is answered, and what was
// answered 200 is in the stream, once, and nothing else is.
func TestShutdown(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t)
	px := natstest.StartProxy(t, b.URL)
	const timeout = 20 * time.Second
	p := bridge.Serve(t, append(patient(px), "TREBLE_BRIDGE_SHUTDOWN_TIMEOUT="+timeout.String())...)
	accepted := []string{warm(t, p)}
	px.HoldBack.Store(true)
	sent := bridge.PostAll(p.Addrs.Ingress, "in-work", inWork)
	awaitInWork(t, p, b)

	signalled := time.Now()
	p.Signal(syscall.SIGTERM)
	p.Await("/readyz says 503", func(ctx context.Context) error {
		return bridge.ExpectStatus(ctx, p.OpsURL("/readyz"), http.StatusServiceUnavailable)
	})
	p.Await("new connections are refused", func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addrs.Ingress)
		if err != nil {
			return nil
		}
		conn.Close()
		return fmt.Errorf("%s takes connections", p.Addrs.Ingress)
	})
	// All of that was seen while the requests were in work, or it proves little.
	if n := p.Metrics(t).Sum("treble_bridge_requests_in_flight", ""); n != inWork {
		t.Errorf("got %d requests in flight after SIGTERM, want %d", n, inWork)
	}
	px.HoldBack.Store(false)

	for range inWork {
		r := <-sent
		if r.Err != nil {
			t.Errorf("%s: %v", r.Session, r.Err)
			continue
		}
		r.Reply.Accepted(t)
		accepted = append(accepted, r.Session)
	}
	if code := p.ExitCode(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if took := time.Since(signalled); took > timeout {
		t.Errorf("the shutdown took %s, want at most %s", took, timeout)
	}
	slices.Sort(accepted)
	if got := slices.Sorted(slices.Values(bridge.StreamSessions(t, b.JS))); !slices.Equal(got, accepted) {
		t.Errorf("the stream and the replies differ:\n%s", bridge.Diff(got, accepted))
	}
}

// TestShutdownCutOff never lets the PubAcks go: the shutdown ends at its
// deadline, no event is answered 200, and the exit code is 1.
func TestShutdownCutOff(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t)
	px := natstest.StartProxy(t, b.URL)
	p := bridge.Serve(t, append(patient(px), "TREBLE_BRIDGE_SHUTDOWN_TIMEOUT=500ms")...)
	warm(t, p)
	px.HoldBack.Store(true)
	sent := bridge.PostAll(p.Addrs.Ingress, "in-work", inWork)
	awaitInWork(t, p, b)
	p.Signal(syscall.SIGTERM)
	for range inWork {
		if r := <-sent; r.Err == nil && r.Reply.Status == http.StatusOK {
			t.Errorf("%s: got 200, and no PubAck ever came", r.Session)
		}
	}
	if code := p.ExitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}

// patient is the environment of a bridge that waits for PubAcks behind a proxy
// for longer than any phase of the test takes.
func patient(px *natstest.Proxy) []string {
	return []string{
		"TREBLE_BRIDGE_NATS_URL=" + px.URL(),
		"TREBLE_BRIDGE_PUBLISHER_ACK=stream",
		"TREBLE_BRIDGE_PUBLISHER_ACK_TIMEOUT=30s",
		"TREBLE_BRIDGE_INGRESS_ACCEPT_TIMEOUT=31s",
	}
}

// warm has one event stored, so that the bridge knows the stream, and returns its session.
func warm(t *testing.T, p *bridge.Process) string {
	t.Helper()
	p.PostEvent(t, bridge.ReadEvent("warm", 0, 20))
	return "warm"
}

// awaitInWork waits until the bridge has all requests in work and the broker has an event
// of them. Then what they wait for is a PubAck, or their turn behind it.
func awaitInWork(t *testing.T, p *bridge.Process, b *natstest.Server) {
	t.Helper()
	p.Await("every request waits for its PubAck", func(ctx context.Context) error {
		stream, err := b.JS.Stream(ctx, "TREBLE")
		if err != nil {
			return err
		}
		requests := p.Metrics(t).Sum("treble_bridge_requests_in_flight", "")
		if events := stream.CachedInfo().State.Msgs; requests != inWork || events < 2 {
			return fmt.Errorf("%d requests in work, %d events stored, want %d and 2", requests, events, inWork)
		}
		return nil
	})
}
