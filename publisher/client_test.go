package publisher

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

func follow(t *testing.T, r *Client, o FollowOptions) []string {
	t.Helper()
	var ids []string
	o.StopAtEnd = true
	if err := r.Follow(t.Context(), o, func(s Stored) error {
		ids = append(ids, s.Header[schema.HeaderMsgID][0])
		return nil
	}); err != nil {
		t.Fatalf("Follow: %v", err)
	}
	return ids
}

// clientOptions are those of a client of the bridge that o is for.
func clientOptions(o Options, addr string) ClientOptions {
	spec := o.Config.Spec("")
	return ClientOptions{NATS: o.NATS, Addr: addr, Role: "test", Events: spec.Events, Prefix: spec.Prefix, Timeout: o.Config.AckTimeout, Log: o.Log}
}

func openClient(t *testing.T, o Options, addr string) *Client {
	t.Helper()
	r, err := OpenClient(t.Context(), clientOptions(o, addr))
	if err != nil {
		t.Fatalf("OpenClient: %v", err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestFollow(t *testing.T) {
	o := options(t, "")
	o.NATS.Embedded.Token = "a-token-of-16-bytes"
	p := open(t, o)
	r := openClient(t, o, p.NATSAddr())

	if got := follow(t, r, FollowOptions{FromStart: true}); len(got) != 0 {
		t.Errorf("empty stream: %v", got)
	}
	d := deliveryOf("a", "b")
	d.Events[1].Kind, d.Events[1].Data = schema.KindMessageTimedOut, &schema.MessageTimedOut{}
	if err := p.Accept(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	between := time.Now()
	if err := p.Accept(t.Context(), deliveryOf("c")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    FollowOptions
		want []string
	}{
		{"all", FollowOptions{FromStart: true}, []string{"a", "b", "c"}},
		{"kind", FollowOptions{FromStart: true, Subjects: []string{"treble.message.timed_out"}}, []string{"b"}},
		{"kinds", FollowOptions{FromStart: true, Subjects: []string{"treble.message.timed_out", "treble.message.read"}}, []string{"a", "b", "c"}},
		{"no-such-kind", FollowOptions{FromStart: true, Subjects: []string{"treble.bridge.probe"}}, nil},
		{"since", FollowOptions{Since: between}, []string{"c"}},
		{"only-new", FollowOptions{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := follow(t, r, tt.o); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Follow goes on when NATS comes back, without a gap, and ends with its
// context or with the caller's error.
func TestFollowAcrossAReconnect(t *testing.T) {
	n := startNATS(t)
	p := open(t, options(t, n.url))
	px := natstest.StartProxy(t, n.url)
	o := options(t, px.URL())
	r := openClient(t, o, "")
	got := make(chan string, 10)
	done := make(chan error, 1)
	stop := errors.New("enough")
	go func() {
		done <- r.Follow(t.Context(), FollowOptions{FromStart: true}, func(s Stored) error {
			got <- s.Header[schema.HeaderMsgID][0]
			if s.Sequence == 3 {
				return stop
			}
			return nil
		})
	}()
	for i, id := range []string{"a", "b", "c"} {
		if err := p.Accept(t.Context(), deliveryOf(id)); err != nil {
			t.Fatal(err)
		}
		select {
		case g := <-got:
			if g != id {
				t.Errorf("got %s, want %s", g, id)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s never came", id)
		}
		if i == 1 {
			px.Cut()
		}
	}
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("Follow = %v, want %v", err, stop)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Follow(ctx, FollowOptions{}, func(Stored) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Follow = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestReaderErrors(t *testing.T) {
	o := options(t, "")
	if _, err := OpenClient(t.Context(), clientOptions(o, "127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no server: %v, want an error with the address", err)
	}
	n := startNATS(t)
	o.NATS.URL = n.url
	r := openClient(t, o, "")
	err := r.Follow(t.Context(), FollowOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "TREBLE does not exist") {
		t.Errorf("no stream: %v, want an error that says so", err)
	}
}
