package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

func follow(t *testing.T, r *client.Client, o client.FollowOptions) []string {
	t.Helper()
	var ids []string
	o.StopAtEnd = true
	for m, err := range r.Follow(t.Context(), o) {
		if err != nil {
			t.Fatalf("Follow: %v", err)
		}
		ids = append(ids, m.Header[schema.HeaderMsgID][0])
	}
	return ids
}

// firstError is the error that a sequence ends with, or nil.
func firstError(all iter.Seq2[client.Message, error]) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestFollow(t *testing.T) {
	const token = "a-token-of-16-bytes"
	n := natstest.Start(t, func(o *server.Options) { o.Authorization = token })
	o := clienttest.Options("")
	o.NATS.Embedded.Token, o.Addr = token, fmt.Sprintf("127.0.0.1:%d", n.Options.Port)
	r := clienttest.Open(t, o)
	n.Store(t)

	if got := follow(t, r, client.FollowOptions{FromStart: true}); len(got) != 0 {
		t.Errorf("empty stream: %v", got)
	}
	events := natstest.Events("a", "b", "c")
	events[1].Kind, events[1].Data = schema.KindMessageTimedOut, &schema.MessageTimedOut{}
	n.Store(t, events[:2]...)
	between := time.Now()
	n.Store(t, events[2])
	for _, tt := range []struct {
		name string
		o    client.FollowOptions
		want []string
	}{
		{"all", client.FollowOptions{FromStart: true}, []string{"a", "b", "c"}},
		{"kind", client.FollowOptions{FromStart: true, Subjects: []string{"treble.message.timed_out"}}, []string{"b"}},
		{"kinds", client.FollowOptions{FromStart: true, Subjects: []string{"treble.message.timed_out", "treble.message.read"}}, []string{"a", "b", "c"}},
		{"no-such-kind", client.FollowOptions{FromStart: true, Subjects: []string{"treble.bridge.probe"}}, nil},
		{"since", client.FollowOptions{Since: between}, []string{"c"}},
		{"only-new", client.FollowOptions{}, nil},
		{"to-sequence", client.FollowOptions{FromStart: true, ToSeq: 2}, []string{"a", "b"}},
		{"to-sequence-of-another-kind", client.FollowOptions{FromStart: true, Subjects: []string{"treble.message.read"}, ToSeq: 2}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := follow(t, r, tt.o); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if err := firstError(r.Follow(t.Context(), client.FollowOptions{FromStart: true, ToSeq: 3})); err != nil {
		t.Errorf("up to the last event: %v, want an end without StopAtEnd", err)
	}
}

// Follow goes on when NATS comes back, without a gap, and ends with its
// context or when the caller stops.
func TestFollowAcrossAReconnect(t *testing.T) {
	n := natstest.Start(t)
	n.Store(t)
	px := natstest.StartProxy(t, n.URL)
	r := clienttest.Open(t, clienttest.Options(px.URL()))
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		defer close(done)
		for m, err := range r.Follow(t.Context(), client.FollowOptions{FromStart: true}) {
			if err != nil {
				done <- err
				return
			}
			got <- m.Header[schema.HeaderMsgID][0]
			if m.Sequence == 3 {
				return
			}
		}
	}()
	for i, id := range []string{"a", "b", "c"} {
		n.Store(t, natstest.Event(id, `{}`))
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
	if err := <-done; err != nil {
		t.Errorf("Follow: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := firstError(r.Follow(ctx, client.FollowOptions{})); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Follow ended with %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestReaderErrors(t *testing.T) {
	o := clienttest.Options("")
	o.Addr = "127.0.0.1:1"
	if _, err := client.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no server: %v, want an error with the address", err)
	}
	n := natstest.Start(t)
	r := clienttest.Open(t, clienttest.Options(n.URL))
	err := firstError(r.Follow(t.Context(), client.FollowOptions{}))
	if err == nil || !strings.Contains(err.Error(), "TREBLE does not exist") {
		t.Errorf("no stream: %v, want an error that says so", err)
	}
}

func TestSleep(t *testing.T) {
	reason := errors.New("enough")
	over, end := context.WithCancelCause(t.Context())
	end(reason)
	for _, tt := range []struct {
		ctx  context.Context
		d    time.Duration
		want error
	}{{t.Context(), time.Millisecond, nil}, {over, time.Hour, reason}, {over, 0, nil}} {
		if err := client.Sleep(tt.ctx, tt.d); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.d, err, tt.want)
		}
	}
}
