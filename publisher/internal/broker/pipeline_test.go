package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// publishEach publishes messages through a Pipeline, and returns what it tells, which must be once for
// each. It gives up as a caller would: when the stream's timeout is over.
func publishEach(ctx context.Context, t *testing.T, s *Stream, msgs []Message) []Result {
	t.Helper()
	p := s.NewPipeline()
	defer p.Close(errors.New("the test is over"))
	var mu sync.Mutex
	got, times := make([]Result, len(msgs)), make([]int, len(msgs))
	var told sync.WaitGroup
	told.Add(len(msgs))
	singles := make([]*Single, len(msgs))
	for i, m := range msgs {
		singles[i] = &Single{Message: m, Tell: func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			got[i] = r
			if times[i]++; times[i] == 1 {
				told.Done()
			}
		}}
	}
	late := time.AfterFunc(s.timeout, func() {
		for _, m := range singles {
			p.GiveUp(m, fmt.Errorf("no PubAck within %s", s.timeout))
		}
	})
	defer late.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Publish(ctx, singles)
	}()
	told.Wait()
	t.Cleanup(func() { <-done }) // the write may hang until the connection ends
	mu.Lock()
	defer mu.Unlock()
	for i, n := range times {
		if n != 1 {
			t.Errorf("message %d was told %d times", i, n)
		}
	}
	return slices.Clone(got)
}

func wantStatuses(t *testing.T, got []Result, text string, want ...Status) {
	t.Helper()
	for i, r := range got {
		if want[i] == Stored {
			wantStatus(t, r, Stored, "")
		} else {
			wantStatus(t, r, want[i], text)
		}
	}
}

func TestPipeline(t *testing.T) {
	n, s := newTest(t, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 })
	wantStatus(t, s.Publish(t.Context(), messages("old")), Stored, "")
	msgs := messages("a", "old", "large", "b", "elsewhere", "c")
	msgs[2].Data = make([]byte, 3000)
	msgs[4].Subject = "nowhere"
	got := publishEach(t.Context(), t, s, msgs)
	wantStatuses(t, got, "", Stored, Stored, RefusedSize, Stored, RefusedSubject, Stored)
	if !got[1].Duplicate || got[1].First != 1 || got[0].Duplicate {
		t.Errorf("repetition %+v, beside %+v", got[1], got[0])
	}
	for i, m := range msgs {
		if got[i].Status != Stored {
			continue
		}
		if id, there, err := s.ID(t.Context(), got[i].First); id != m.ID || !there || err != nil {
			t.Errorf("at %d: %q, %t, %v, want %s", got[i].First, id, there, err, m.ID)
		}
	}
	if got := n.IDs(t, "TEST"); len(got) != 4 {
		t.Errorf("stream: %v", got)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	wantStatuses(t, publishEach(over, t, s, messages("x", "y")), "canceled", NotSent, NotSent)
	for i, r := range publishEach(t.Context(), t, s, messages(natstest.Numbered("m", 2000)...)) {
		if r.Status != Stored {
			t.Fatalf("message %d of 2000: %+v", i, r)
		}
	}
	s.replies.mu.Lock()
	defer s.replies.mu.Unlock()
	if len(s.replies.waiting) > 0 {
		t.Errorf("%d wait for answers", len(s.replies.waiting))
	}
}

func TestPipelineOfAnotherStream(t *testing.T) {
	n, s := newTest(t, func(c *jetstream.StreamConfig) { c.Subjects = []string{"t.b"} })
	n.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"t.a"}})
	msgs := messages("a", "b")
	msgs[1].Subject = "t.b"
	wantStatuses(t, publishEach(t.Context(), t, s, msgs), "stored by stream OTHER instead of TEST", Unknown, Stored)
}

func TestPipelineWithoutPermission(t *testing.T) {
	n := natstest.Start(t, natstest.User("bridge", onlyOneSubject), natstest.User("deaf", noAnswers))
	n.Stream(t, testConfig())
	msgs := messages("a", "B", "b", "C", "B2")
	msgs[1].Subject, msgs[3].Subject, msgs[4].Subject = "t.B", "t.C", "t.B"
	began := time.Now()
	wantStatuses(t, publishEach(t.Context(), t, dialAs(t, n, "bridge", 20*time.Second), msgs), "publish to t.",
		Stored, RefusedSubject, Stored, RefusedSubject, RefusedSubject)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s, want no waiting for a PubAck", took)
	}
	wantStatuses(t, publishEach(t.Context(), t, dialAs(t, n, "deaf", 200*time.Millisecond), messages("c", "d")), "to receive answers", Unknown, Unknown)
}

func TestPipelineEndsInTime(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, testConfig())
	px := natstest.StartProxy(t, n.URL)
	const timeout = time.Second
	s := dialTest(t, px.URL(), timeout)
	px.HoldBack.Store(true)
	wantStatuses(t, publishEach(t.Context(), t, s, messages("a", "b")), "no PubAck within 1s", Unknown, Unknown)
	time.AfterFunc(50*time.Millisecond, px.Down)
	wantStatuses(t, publishEach(t.Context(), t, s, messages("c", "d")), "connection to NATS was lost", Unknown, Unknown)
	wantStatuses(t, publishEach(t.Context(), t, s, messages("e", "f")), "not connected", NotSent, NotSent)
	px.HoldBack.Store(false)
	px.Up()
	if !s.conn.AwaitUp(t.Context()) {
		t.Fatal("no connection")
	}
	// A server that does not read makes the client's write hang with its lock held.
	px.Stall.Store(true)
	var msgs []Message
	for i := range 60 { // more than the socket buffers hold
		msgs = append(msgs, Message{Subject: "t.a", ID: fmt.Sprint(i), Data: make([]byte, 900_000)})
	}
	began := time.Now()
	got := publishEach(t.Context(), t, s, msgs)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	unknown := slices.IndexFunc(got, func(r Result) bool { return r.Status != Unknown })
	if unknown <= 0 || slices.ContainsFunc(got[unknown:], func(r Result) bool { return r.Status != NotSent }) {
		t.Errorf("%v: want those unknown that may have left, and the others not sent", got)
	}
	wantStatuses(t, publishEach(t.Context(), t, s, messages("y", "z")), "hangs", NotSent, NotSent)
	px.Stall.Store(false)
	natstest.Eventually(t, "published again", func() bool { return s.Publish(t.Context(), messages("after")).Status == Stored })
	for _, id := range n.IDs(t, "TEST") {
		for i, m := range msgs {
			if m.ID == id && got[i].Status == NotSent {
				t.Errorf("%s is stored, and was told as not sent", id)
			}
		}
	}
}

// TestPlainAck holds the short way to read a PubAck against encoding/json.
func TestPlainAck(t *testing.T) {
	s := NewStream(&Conn{}, "TEST", time.Second)
	s.domain.Store(new(string))
	plain := 0
	for _, data := range []string{
		`{"stream":"TEST","seq":1}`, `{"stream":"TEST","seq":1234567890}`, `{"stream":"TEST","seq":999999999999999999}`,
		`{"stream":"TEST","seq":18446744073709551615}`, `{"stream":"TEST","seq":0}`, `{"stream":"TEST","seq":01}`, `{"stream":"TEST","seq":}`,
		`{"stream":"TEST","seq":7,"duplicate": true}`, `{"stream":"TEST", "seq":7}`, `{"stream":"TEST","seq":7} `, `{"stream":"TEST","seq":7`,
		`{"stream":"TEST","domain":"hub","seq":7}`, `{"stream":"OTHER","seq":7}`, `{"stream":"TEST2","seq":7}`, `{"stream":"TEST","seq":-7}`,
		`{"stream":"TEST","seq":7e1}`, `{"error":{"code":400},"stream":"TEST","seq":0}`, ``, `{}`,
	} {
		seq, ok := s.plainAck([]byte(data))
		if !ok {
			continue
		}
		plain++
		var want pubAck
		if err := json.NewDecoder(strings.NewReader(data)).Decode(&want); err != nil || want != (pubAck{Stream: "TEST", Sequence: seq}) {
			t.Errorf("%s: %d, want %+v (%v)", data, seq, want, err)
		}
	}
	if plain != 3 {
		t.Errorf("%d of them were plain, want 3", plain)
	}
	hub := "hub"
	s.domain.Store(&hub)
	if _, ok := s.plainAck([]byte(`{"stream":"TEST","seq":1}`)); ok {
		t.Error("an answer of another domain is taken for ours")
	}
}

// TestPipelineGivenUpBeforePublish: a caller may run out of time just before its message is published, and gives it
// up once. It is told all the same, and does not leave.
func TestPipelineGivenUpBeforePublish(t *testing.T) {
	n, s := newTest(t, func(c *jetstream.StreamConfig) { c.NoAck = true })
	p := s.NewPipeline()
	defer p.Close(errors.New("the test is over"))
	told := make(chan Result, 1)
	m := &Single{Message: messages("late")[0], Tell: func(r Result) { told <- r }}
	p.GiveUp(m, context.DeadlineExceeded)
	p.Publish(t.Context(), []*Single{m})
	select {
	case r := <-told:
		wantStatus(t, r, NotSent, "given up before it was sent")
	default:
		t.Error("it is on its way without an answer, and nobody gives it up")
	}
	if err := s.conn.NATS().Flush(); err != nil {
		t.Fatal(err)
	}
	n.WantIDs(t, "TEST")
}

// TestPipelineGivenUpWhileItLeaves: what is given up at the moment in which it is given to the client is NotSent only if it never
// leaves.
func TestPipelineGivenUpWhileItLeaves(t *testing.T) {
	n, s := newTest(t)
	p := s.NewPipeline()
	defer p.Close(errors.New("the test is over"))
	notSent := map[string]bool{}
	for round := range 40 {
		var mu sync.Mutex
		var told sync.WaitGroup
		var singles []*Single
		for _, m := range messages(natstest.Numbered(fmt.Sprintf("r%d-", round), 500)...) {
			told.Add(1)
			singles = append(singles, &Single{Message: m, Tell: func(r Result) {
				defer told.Done()
				mu.Lock()
				defer mu.Unlock()
				if r.Status == NotSent {
					notSent[m.ID] = true
				}
			}})
		}
		told.Go(func() { p.Publish(t.Context(), singles) })
		told.Go(func() {
			for { // until they are on their way
				p.mu.Lock()
				begun := singles[0].begun
				p.mu.Unlock()
				if begun {
					break
				}
			}
			for _, m := range singles {
				p.GiveUp(m, context.DeadlineExceeded)
			}
		})
		told.Wait()
	}
	if err := s.conn.NATS().Flush(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.Publish(t.Context(), messages("end")), Stored, "") // what left before is stored now
	for _, id := range n.IDs(t, "TEST") {
		if notSent[id] {
			t.Errorf("%s is NotSent, and in the stream", id)
		}
	}
}
