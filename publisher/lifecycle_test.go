package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Close waits for what is in flight: every Accept that returned nil is stored,
// and nothing of ours is left running.
func TestCloseWaitsForWhatIsInFlight(t *testing.T) {
	leak := goleak.IgnoreCurrent()
	t.Run("fifty", closeWithFiftyInFlight) // its server and proxy end with it
	goleak.VerifyNone(t, leak)
}

func closeWithFiftyInFlight(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	p := open(t, options(t, px.URL()))
	accept(t, p, "before") // the stream is known then
	natstest.Eventually(t, "the quarantine is known", func() bool { return p.Refused().Problem() == "" && p.Refused().Serving() })
	px.HoldBack.Store(true)
	const requests = 50
	errs := make([]error, requests)
	var load sync.WaitGroup
	for i := range requests {
		load.Go(func() { errs[i] = p.Accept(context.Background(), deliveryOf(fmt.Sprint("e", i))) })
	}
	p.Accept(t.Context(), natstest.Rejected("a body"))
	natstest.Eventually(t, "one is stored, and the others wait", func() bool { return len(n.IDs(t, "TREBLE")) > 1 })
	time.AfterFunc(200*time.Millisecond, func() { px.HoldBack.Store(false) })
	closed(t, p)
	load.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("request %d: %v, want it to be accepted", i, err)
		}
	}
	if got := len(n.IDs(t, "TREBLE_QUARANTINE")); got != 1 {
		t.Errorf("quarantine holds %d, want 1", got)
	}
	wantAnswer(t, p, deliveryOf("late"), delivery.ErrUnavailable)
}

// Close ends when its context does, also with PubAcks that never come.
func TestCloseKeepsItsDeadline(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := options(t, px.URL())
	o.Config.AckTimeout = time.Second
	p := open(t, o)
	accept(t, p, "before") // the stream is known then
	px.HoldBack.Store(true)
	result := make(chan error, 1)
	go func() { result <- p.Accept(context.Background(), deliveryOf("x")) }()
	natstest.Eventually(t, "sent", func() bool { return len(n.IDs(t, "TREBLE")) == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v, want %v", err, context.DeadlineExceeded)
	}
	if err := <-result; !errors.Is(err, delivery.ErrOutcomeUnknown) {
		t.Errorf("Accept = %v, want %v", err, delivery.ErrOutcomeUnknown)
	}
	px.HoldBack.Store(false)
}

func TestNoLeaks(t *testing.T) {
	leak := goleak.IgnoreCurrent()
	for _, url := range []string{"", "nats://127.0.0.1:1"} {
		p := open(t, options(t, url))
		p.Accept(t.Context(), deliveryOf("x"))
		closed(t, p)
		goleak.VerifyNone(t, leak)
	}
}

// A login that is refused is no reason to give up: the password may be put
// right on the server.
func TestRefusedLoginIsTriedAgain(t *testing.T) {
	t.Parallel()
	user := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		Username: "bridge", Password: "right",
	}
	refusals := &natstest.Refusals{}
	n := natstest.Run(t, user, refusals)
	o := options(t, n.ClientURL())
	o.NATS.User, o.NATS.Password = "bridge", "wrong-s3cret"
	var log natstest.LogBuffer
	o.Log = log.Logger()
	p := open(t, o)
	reload := *user
	reload.Password = "wrong-s3cret"
	// Long enough for the client's usual end after two refusals.
	natstest.Eventually(t, "three attempts", func() bool { return refusals.Count() >= 3 })
	if err := n.ReloadOptions(&reload); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "ready", func() bool { return p.Status().Ready })
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log holds the password:\n%s", &log)
	}
}

// The log tells what happens and holds nothing of the events: canaries in
// every place that comes from outside, through the error paths, at debug.
func TestLogHoldsNoContent(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	px := natstest.StartProxy(t, n.URL)
	for _, url := range []string{px.URL(), ""} {
		var log natstest.LogBuffer
		o := options(t, url)
		o.Log = log.Logger()
		o.NATS.Embedded.Token = canary + "-token-1234567"
		o.Config.AckTimeout = 200 * time.Millisecond
		o.MaxBody = 1 << 10
		p := open(t, o)
		d := deliveryOf("one")
		d.Events[0].Data.Base().Raw = []byte(`"` + canary + `"`)
		d.Events[0].Data.Base().SessionID, d.Events[0].Subject = canary, canary
		big := natstest.Delivery(natstest.Event("big", `"`+canary+strings.Repeat("x", 2<<20)+`"`))
		bad := natstest.Rejected(canary)
		bad.Path, bad.Header["X-Canary"] = "/"+canary, []string{canary}
		everything := func() {
			p.Accept(t.Context(), d)
			p.Accept(t.Context(), big)
			p.Accept(t.Context(), bad)
		}
		everything()
		if url != "" {
			px.HoldBack.Store(true)
			everything()
			px.Down()
			px.HoldBack.Store(false)
			natstest.Eventually(t, "away", func() bool { return !p.Conn().Connected() })
			everything()
			px.Up()
		}
		closed(t, p)
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log holds what it must not:\n%s", &log)
		}
		if !strings.Contains(log.String(), "set aside") {
			t.Errorf("the log does not tell of the event set aside:\n%s", &log)
		}
	}
}
