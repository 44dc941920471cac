package forget_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/control"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

const me = "+573001234567"

// place is a NATS of its own, a data directory, and a client.
type place struct {
	server *natstest.Server
	dir    string
	client *client.Client
	retain time.Duration
}

func newPlace(t *testing.T) *place {
	t.Helper()
	s := natstest.Start(t)
	dir, err := os.MkdirTemp("", "f") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &place{server: s, dir: dir, client: clienttest.Open(t, clienttest.Options(s.URL)), retain: 10 * time.Minute}
}

// bridge starts a bridge on the data directory; with the control socket if commands are to reach it.
func (p *place) bridge(t *testing.T, reachable bool) (b *publisher.Publisher, stop func()) {
	t.Helper()
	cfg := publisher.DefaultNATSConfig()
	cfg.URL = p.server.URL
	journal := publisher.DefaultJournalConfig()
	journal.MaxBytes, journal.Retain = 16*value.MiB, p.retain // segments of 4 MiB
	b, err := publisher.Open(t.Context(), publisher.Options{
		Config: publisher.DefaultConfig(), NATS: cfg, Journal: journal, DataDir: p.dir, MaxBody: value.MiB,
	})
	if err != nil {
		t.Fatal(err)
	}
	var c *control.Server
	if reachable {
		if c, err = control.Listen(p.dir, forget.Handler(b, p.retain, zap.NewNop())); err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Serve() }()
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = b.Close(ctx)
		if c != nil {
			_ = c.Shutdown(ctx)
		}
	}
	t.Cleanup(stop)
	return b, stop
}

// accept accepts bodies as the ingress does.
func accept(t *testing.T, b *publisher.Publisher, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		d := (&delivery.Parser{}).Parse([]byte(body), delivery.Origin{Source: "default", Path: "/webhook", Received: time.Now()})
		if err := b.Accept(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// fill has a bridge store five events and a refused body, of which three and the body are of the person.
func (p *place) fill(t *testing.T, b *publisher.Publisher) {
	t.Helper()
	accept(t, b, mixed(1)...)
	accept(t, b, `{"phone":"`+me)
	p.server.AwaitMessages(t, "TREBLE", 5)
	p.server.AwaitMessages(t, "TREBLE_QUARANTINE", 1)
}

func (p *place) run(t *testing.T, phone string, more ...string) *forget.Run {
	t.Helper()
	return p.runFor(t, person(t, phone), more...)
}

func (p *place) runFor(t *testing.T, who *forget.Person, more ...string) *forget.Run {
	t.Helper()
	d, err := forget.OpenDataDir(t.Context(), p.dir, nil, "TREBLE", p.retain)
	if err != nil {
		t.Fatal(err)
	}
	return forget.New(p.client, d, who, more...)
}

func find(t *testing.T, r *forget.Run) forget.Counts {
	t.Helper()
	c, err := r.Find(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eraseFound erases what was found, and waits for what is not published yet.
func eraseFound(t *testing.T, r *forget.Run) (erased forget.Counts, left *forget.Counts) {
	t.Helper()
	erased, left, err := r.Erase(t.Context(), forget.EraseOptions{Pending: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return erased, left
}

// read is the body of an event with a number, and bare one that has only the session.
func read(number, session string, n int) string {
	return fmt.Sprintf(`{"country_code":"57","cellphone":"%s","session_id":"%s","read_at":"2026-01-02 03:04:%02d"}`, number, session, n)
}

func bare(session string, n int) string {
	return fmt.Sprintf(`{"session_id":"%s","user_session_keys":[{"key":"n","value":"%d"}]}`, session, n)
}
