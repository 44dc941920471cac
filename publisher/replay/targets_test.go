package replay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
	"github.com/treble-bridge/treble-bridge/schema"
)

// receiver is an HTTP endpoint that answers as it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string // sequences that were answered 2xx
	bodies map[string][]byte
	header http.Header
}

func startReceiver(t *testing.T, answer func(n int, w http.ResponseWriter) int) *receiver {
	rc := &receiver{bodies: map[string][]byte{}}
	n := 0
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		rc.mu.Lock()
		defer rc.mu.Unlock()
		n++
		status := answer(n, w)
		if status/100 == 2 {
			seq := req.Header.Get(schema.HeaderReplaySequence)
			rc.got = append(rc.got, seq)
			rc.bodies[seq] = body
			rc.header = req.Header
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) target(t *testing.T, path string) replay.URLTarget {
	t.Helper()
	u, err := url.Parse(rc.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	return replay.URLTarget{URL: u, Header: http.Header{"Authorization": {"Bearer s3cret"}}, Timeout: 5 * time.Second, Retries: 3}
}

func TestURLGetsEveryEvent(t *testing.T) {
	t.Parallel()
	const events = 300
	_, c := startFilled(t, events)
	rc := startReceiver(t, func(n int, w http.ResponseWriter) int {
		switch n {
		case 5:
			w.Header().Set("Retry-After", "1")
			return 429
		case 10, 11:
			return 503
		}
		return 204
	})
	target := rc.target(t, "/in?token=qu3ry-s3cret")
	target.URL.User = url.UserPassword("me", "us3r-s3cret")
	r := newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToURL, URL: target}}, replay.Options{})
	began := time.Now()
	do(t, r)
	if took := time.Since(began); took < time.Second {
		t.Errorf("took %s: Retry-After was not honoured", took)
	}
	for i := 1; i <= events; i++ {
		e := anEvent(i)
		want, _ := e.Encode()
		if len(rc.got) < i || rc.got[i-1] != strconv.Itoa(i) || !bytes.Equal(rc.bodies[strconv.Itoa(i)], want) {
			t.Fatalf("event %d: got %d, %s", i, len(rc.got), rc.bodies[strconv.Itoa(i)])
		}
	}
	if rc.header.Get("Content-Type") != "application/cloudevents+json" || rc.header.Get("Authorization") != "Bearer s3cret" || rc.header.Get(schema.HeaderReplayRun) != r.Name() {
		t.Errorf("got headers %v", rc.header)
	}
	if _, _, text := record(t, c, r.Name()); strings.Contains(text, "s3cret") || strings.Contains(text, "/in") {
		t.Errorf("the record has a secret: %s", text)
	}
}

func TestURLRefused(t *testing.T) {
	_, c := startFilled(t, 20)
	for _, tt := range []struct {
		name   string
		status int
		want   string
	}{{"4xx", 400, "answered 400"}, {"redirect", 302, "answered 302"}, {"5xx-for-ever", 500, "answered 500"}} {
		t.Run(tt.name, func(t *testing.T) {
			broken := true
			rc := startReceiver(t, func(n int, w http.ResponseWriter) int {
				if broken && n > 7 {
					w.Header().Set("Location", "/elsewhere")
					return tt.status
				}
				return 200
			})
			target := rc.target(t, "/path-s3cret")
			target.Retries = 1
			r := newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToURL, URL: target}}, replay.Options{})
			res, err := r.Do(t.Context())
			if err == nil || !strings.Contains(err.Error(), anEvent(8).ID) || !strings.Contains(err.Error(), "sequence 8,") ||
				!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || res.Replayed != 7 || !res.Resumable {
				t.Fatalf("got %+v, %v", res, err)
			}
			if _, err := tryResume(t, c, r, replay.Given{}); err == nil || !strings.Contains(err.Error(), "--to-url") {
				t.Errorf("resume without the URL: %v", err)
			}
			elsewhere := target
			elsewhere.URL = &url.URL{Scheme: "http", Host: "elsewhere"}
			if _, err := tryResume(t, c, r, replay.Given{URL: elsewhere}); err == nil || !strings.Contains(err.Error(), "another host") {
				t.Errorf("resume to another host: %v", err)
			}
			broken = false
			again, err := tryResume(t, c, r, replay.Given{URL: target})
			if err != nil {
				t.Fatal(err)
			}
			do(t, again)
			if len(rc.got) != 20 || rc.got[7] != "8" {
				t.Errorf("got %v", rc.got)
			}
		})
	}
}

// TestURLNobodyThere: the address is in no error of the network either.
func TestURLNobodyThere(t *testing.T) {
	b := startBroker(t)
	b.fill(t, 1)
	u, _ := url.Parse("http://me:s3cret@127.0.0.1:1/s3cret?s3cret")
	r := newRun(t, b.client(t), replay.Spec{Target: replay.Target{To: replay.ToURL, URL: replay.URLTarget{URL: u, Timeout: time.Second}}}, replay.Options{})
	if _, err := r.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1:") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

// lines checks that a file has events 1 to n, one a line, and that nothing but line
// ends between fields was changed.
func lines(t *testing.T, content []byte, n int) {
	t.Helper()
	rows := bytes.SplitAfter(content, []byte("\n"))
	if len(rows) != n+1 || len(rows[n]) != 0 {
		t.Fatalf("got %d lines, want %d", len(rows)-1, n)
	}
	for i := 1; i <= n; i++ {
		e := anEvent(i)
		data, _ := e.Encode()
		if want := strings.ReplaceAll(string(data), "\n", " ") + "\n"; string(rows[i-1]) != want {
			t.Fatalf("line %d: got %s, want %s", i, rows[i-1], want)
		}
	}
}

func TestFileOfAResumedRun(t *testing.T) {
	t.Parallel()
	const events = 4000
	_, c := startFilled(t, events)
	path := filepath.Join(t.TempDir(), "events.jsonl")
	ctx, stop := stopAt(t, 1500)
	spec := replay.Spec{Target: replay.Target{To: replay.ToFile, File: path}}
	r := newRun(t, c, spec, replay.Options{Progress: stop})
	if res, err := r.Do(ctx); !errors.Is(err, context.Canceled) || res.Replayed != 1500 {
		t.Fatalf("got %+v, %v", res, err)
	}
	// As kill -9 leaves it: more in the file than is on record, and half a line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"half":`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	do(t, resume(t, c, r))
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines(t, content, events)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
	if _, err := newRun(t, c, spec, replay.Options{}).Do(t.Context()); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("an existing file: %v", err)
	}
}

// TestFileIsNotTheRuns: a file that was cut or replaced is not written to.
func TestFileIsNotTheRuns(t *testing.T) {
	_, c := startFilled(t, 100)
	path := filepath.Join(t.TempDir(), "events.jsonl")
	ctx, stop := stopAt(t, 50)
	r := newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToFile, File: path}}, replay.Options{Progress: stop})
	if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	again := resume(t, c, r)
	if _, err := again.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "not the file of the run") {
		t.Errorf("got %v", err)
	}
}

func TestStandardOutput(t *testing.T) {
	_, c := startFilled(t, 200)
	var out bytes.Buffer
	ctx, stop := stopAt(t, 100)
	r := newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToFile, File: "-"}}, replay.Options{Out: &out, Progress: stop})
	res, err := r.Do(ctx)
	if !errors.Is(err, context.Canceled) || res.Resumable {
		t.Errorf("got %+v, %v", res, err)
	}
	lines(t, out.Bytes(), 100)
	if _, err := tryResume(t, c, r, replay.Given{}); err == nil || !strings.Contains(err.Error(), "standard output") {
		t.Errorf("got %v", err)
	}
}

// mix stores events at the sequences that it returns, and between them what is no event.
func (b *broker) mix(t *testing.T) (events []int) {
	t.Helper()
	put := func(m *nats.Msg) uint64 {
		t.Helper()
		ack, err := b.JS.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	for i, f := range natstest.Foreign {
		put(&nats.Msg{Subject: "treble.message.read", Header: f.Header, Data: []byte(f.Data)})
		e := anEvent(2*i + 2)
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, int(put(&nats.Msg{Subject: "treble." + string(e.Kind), Header: e.Header(), Data: data})))
	}
	put(&nats.Msg{Subject: "treble.message.read"}) // behind the last event
	return events
}

// TestForeignMessagesGoToNoTarget: what is no event goes to no target, and is counted, also by a run that is
// resumed.
func TestForeignMessagesGoToNoTarget(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	events := b.mix(t)
	c := b.client(t)
	const inside = "session-4"
	var out bytes.Buffer
	rc := startReceiver(t, func(int, http.ResponseWriter) int { return 200 })
	n, foreign := int64(len(events)), int64(len(events))+1
	file := filepath.Join(t.TempDir(), "f")
	for _, tt := range []struct {
		name string
		to   replay.Target
		got  func(run string) int
	}{
		{"stream", replay.Target{To: replay.ToStream}, func(run string) int { return len(b.sequences(t, "TREBLE_REPLAY", run)) }},
		{"file", replay.Target{To: replay.ToFile, File: file}, func(string) int {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Count(content, []byte("\n"))
		}},
		{"stdout", replay.Target{To: replay.ToFile, File: "-"}, func(string) int { return bytes.Count(out.Bytes(), []byte("\n")) }},
		{"url", replay.Target{To: replay.ToURL, URL: rc.target(t, "/")}, func(string) int { return len(rc.got) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exact := newRun(t, c, replay.Spec{Target: tt.to}, replay.Options{Exact: true})
			if got, err := exact.Count(t.Context(), func() {}); err != nil || got != n || exact.Skipped() != foreign {
				t.Errorf("Count: got %d and %d that are none, %v", got, exact.Skipped(), err)
			}
			end := n / 2
			if tt.name == "stdout" {
				end = n + 1 // it cannot be resumed
			}
			ctx, stop := stopAt(t, end)
			r := newRun(t, c, replay.Spec{Target: tt.to}, replay.Options{Out: &out, Rate: 200, Progress: stop})
			if _, err := r.Count(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			res, err := r.Do(ctx)
			if res.Resumable {
				again, err := tryResume(t, c, r, replay.Given{URL: tt.to.URL})
				if err != nil {
					t.Fatal(err)
				}
				res = do(t, again)
			} else if err != nil {
				t.Fatal(err)
			}
			if res.Replayed != n || res.Skipped != foreign || res.Total != n {
				t.Errorf("got %+v, want %d events and %d that are none", res, n, foreign)
			}
			if got := tt.got(r.Name()); got != int(n) {
				t.Errorf("the target has %d, want %d", got, n)
			}
			if rec, _, _ := record(t, c, r.Name()); rec.Counts["skipped"] != foreign || rec.Counts["total"] != n {
				t.Errorf("on record: %v", rec.Counts)
			}
		})
	}
	r := newRun(t, c, replay.Spec{Filter: client.Filter{Session: inside}}, replay.Options{})
	if res := do(t, r); res.Replayed != 1 || res.Skipped != 0 {
		t.Errorf("of one session: got %+v", res)
	}
	// A key of somebody else in the bucket of the records hides none of them.
	kv, err := b.JS.KeyValue(t.Context(), "TREBLE_AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"theirs": "not JSON", "theirs-too": `{"run":"x","action":"replay"}`} {
		if _, err := kv.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := replay.List(t.Context(), c, theStreams); err != nil || len(all) != 5 || all[0].Skipped != foreign {
		t.Errorf("the records: got %+v, %v", all, err)
	}
}

func TestListTellsFilterAndTarget(t *testing.T) {
	_, c := startFilled(t, 10)
	if all, err := replay.List(t.Context(), c, theStreams); err != nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}
	r := newRun(t, c, replay.Spec{Filter: client.Filter{Session: "session-4", Phone: phoneOf(4), Source: "default"}}, replay.Options{})
	if _, err := r.Count(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	do(t, r)
	all, err := replay.List(t.Context(), c, theStreams)
	if err != nil || len(all) != 1 {
		t.Fatalf("got %v, %v", all, err)
	}
	l := all[0]
	if l.Run != r.Name() || l.State != audit.Done || l.Who != "me@here" || l.Total != 1 || l.Replayed != 1 || l.Ended.IsZero() ||
		l.Filter != "one session, one phone, source default" || l.Target != "stream TREBLE_REPLAY, subject treble-replay."+r.Name()+".{kind}" {
		t.Errorf("got %+v", l)
	}
}
