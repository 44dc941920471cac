package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/ingress/quota"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// errPanic makes Accept panic.
var errPanic = errors.New("disk on fire")

// TestReplies has a case for every row of the table of replies.
func TestReplies(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	array := "[" + strings.TrimSuffix(strings.Repeat("{},", delivery.MaxEvents+1), ",") + "]"
	tests := []struct {
		name        string
		method      string
		path        string
		contentType string
		encoding    string
		token       string
		body        string
		accept      error
		status      int
		problem     string
		retryAfter  bool
		numbers     [2]float64 // size and limit of a 413
		deliveries  int
		slip        string // that was forgiven
	}{
		{name: "accepted", status: 200, deliveries: 1},
		{name: "accepted/array", body: "[" + read + "," + read + "]", status: 200, deliveries: 1},
		{name: "accepted/unrecognised", body: `{"x":1}`, status: 200, deliveries: 1},
		{name: "accepted/center-path", path: "/treble-webhooks", status: 200, deliveries: 1},
		{name: "accepted/open-path", path: "/webhooks/on-read", status: 200, deliveries: 1},
		{name: "accepted/slash-at-the-end", path: "/webhook/", status: 200, deliveries: 1},
		{name: "accepted/open-path-slash", path: "/webhooks/on-read/", status: 200, deliveries: 1},
		{name: "accepted/query", path: "/webhook?x=1", status: 200, deliveries: 1},
		{name: "accepted/no-content-type", contentType: "-", status: 200, deliveries: 1},
		{name: "accepted/charset", contentType: "application/json; charset=utf-8", status: 200, deliveries: 1},
		{name: "accepted/text-json", contentType: "text/json", status: 200, deliveries: 1},
		{name: "accepted/suffix", contentType: "Application/Vnd.Treble+JSON", status: 200, deliveries: 1},
		{name: "accepted/identity", encoding: "identity", status: 200, deliveries: 1},
		{name: "accepted/two-slashes", path: "//webhook", status: 200, deliveries: 1, slip: "path"},
		{name: "accepted/slashes-inside", path: "/webhooks///on-read//", status: 200, deliveries: 1, slip: "path"},
		{name: "accepted/blank-at-the-end", path: "/webhook%20", status: 200, deliveries: 1, slip: "path"},
		{name: "accepted/line-feed-at-the-end", path: "/webhook/%0d%0a", status: 200, deliveries: 1, slip: "path"},
		{name: "accepted/unseen-at-the-end", path: "/webhook%e2%80%8b", status: 200, deliveries: 1, slip: "path"},
		{name: "accepted/escaped", path: "/%77ebhook", status: 200, deliveries: 1},
		{name: "accepted/content-type-twice", contentType: "application/json, application/json", status: 200, deliveries: 1, slip: "content-type"},
		{name: "accepted/content-type-text", contentType: "text/plain", status: 200, deliveries: 1, slip: "content-type"},
		{name: "accepted/content-type-form", contentType: "application/x-www-form-urlencoded", status: 200, deliveries: 1, slip: "content-type"},
		{name: "accepted/content-type-nonsense", contentType: ";;", status: 200, deliveries: 1},
		{name: "accepted/content-type-quoted", contentType: `"application/json"`, status: 200, deliveries: 1, slip: "content-type"},
		{name: "accepted/encoding-utf-8", encoding: "utf-8", status: 200, deliveries: 1, slip: "content-encoding"},
		{name: "accepted/encoding-that-is-not", encoding: "gzip", status: 200, deliveries: 1, slip: "content-encoding"},
		{name: "not-json", body: "{", status: 400, problem: "not-json", deliveries: 1},
		{name: "not-json/empty", body: "-", status: 400, problem: "not-json", deliveries: 1},
		{name: "not-object", body: "7", status: 400, problem: "not-object", deliveries: 1},
		{name: "not-object/empty-array", body: "[]", status: 400, problem: "not-object", deliveries: 1},
		{name: "too-deep", body: deep, status: 400, problem: "too-deep", deliveries: 1},
		{name: "too-many-events", body: array, status: 413, problem: "too-many-events", deliveries: 1},
		{name: "missing", body: `{"country_code":"+57","read_at":"2024-01-01 00:00:00"}`, status: 422, problem: "missing-fields", deliveries: 1},
		{name: "rejected/quarantine-fails", body: "{", accept: delivery.ErrUnavailable, status: 400, problem: "not-json", deliveries: 1},
		{name: "wrong-credentials", token: "wrong", status: 401, problem: "unauthorized"},
		{name: "no-credentials", token: "-", status: 401, problem: "unauthorized"},
		{name: "unauthorized-before-content-type", token: "-", contentType: "text/plain", status: 401, problem: "unauthorized"},
		{name: "wrong-path", path: "/nothing", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/root", path: "/", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/below", path: "/webhook/x", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/two-segments", path: "/webhooks/on-a/b", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/segment-split", path: "/webhooks/on-/x", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/nothing-after", path: "/webhooks/on-", status: 404, problem: "not-found", deliveries: 1},
		{name: "wrong-path/nothing-after-get", path: "/webhooks/on-a/b", method: "GET", status: 404, problem: "not-found"},
		{name: "wrong-path/no-credentials", path: "/nothing", token: "-", status: 404, problem: "not-found"},
		{name: "wrong-path/wrong-credentials", path: "/nothing", token: "wrong", status: 404, problem: "not-found"},
		{name: "wrong-method/get", method: "GET", status: 405, problem: "method-not-allowed"},
		{name: "wrong-method/put", method: "PUT", status: 405, problem: "method-not-allowed"},
		{name: "wrong-method/options", method: "OPTIONS", status: 405, problem: "method-not-allowed"},
		{name: "wrong-method/unheard-of", method: "FROBNICATE", status: 405, problem: "method-not-allowed"},
		{name: "wrong-method/open-path", method: "GET", path: "/webhooks/on-read", status: 405, problem: "method-not-allowed"},
		{name: "content-type", contentType: "text/plain", body: "hello", status: 415, problem: "content-type", deliveries: 1},
		{name: "content-type/form", contentType: "application/x-www-form-urlencoded", body: "payload=%7B%7D", status: 415, problem: "content-type", deliveries: 1},
		{name: "content-type/no-object", contentType: "text/plain", body: `"hello"`, status: 415, problem: "content-type", deliveries: 1},
		{name: "content-type/missing", contentType: "text/plain", body: `{"country_code":"+57","read_at":"2024-01-01 00:00:00"}`, status: 422, problem: "missing-fields", deliveries: 1},
		{name: "content-encoding", encoding: "gzip", body: "\x1f\x8b\x08", status: 415, problem: "content-encoding", deliveries: 1},
		{name: "body-too-large", body: strings.Repeat(" ", 200_001), status: 413, problem: "body-too-large", numbers: [2]float64{200_001, 200_000}, deliveries: 1},
		{name: "event-too-large", accept: fmt.Errorf("publish: %w", &delivery.TooLargeError{Size: 9, Limit: 5}), status: 413, problem: "event-too-large", numbers: [2]float64{9, 5}, deliveries: 1},
		{name: "unavailable", accept: fmt.Errorf("no connection: %w", delivery.ErrUnavailable), status: 503, problem: "unavailable", retryAfter: true, deliveries: 1},
		{name: "outcome-unknown", accept: fmt.Errorf("no ack: %w", delivery.ErrOutcomeUnknown), status: 504, problem: "outcome-unknown", deliveries: 1},
		{name: "deadline", accept: context.DeadlineExceeded, status: 504, problem: "outcome-unknown", deliveries: 1},
		{name: "panic", accept: errPanic, status: 500, problem: "internal-error", deliveries: 1},
		{name: "other-error", accept: errors.New("disk on fire"), status: 500, problem: "internal-error", deliveries: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.MaxBody = 200_000
			s.accepter.AcceptFn = func(context.Context, delivery.Delivery) error {
				if errors.Is(tt.accept, errPanic) {
					panic(tt.accept)
				}
				return tt.accept
			}
			b := s.start(t)

			a := do(t, request(t, b.url, tt.method, tt.path, tt.contentType, tt.encoding, tt.token, tt.body))
			if a.status != tt.status {
				t.Fatalf("status: got %d %s, want %d", a.status, a.body, tt.status)
			}
			if got := len(b.accepter.got()); got != tt.deliveries {
				t.Errorf("deliveries: got %d, want %d", got, tt.deliveries)
			}
			if got := a.header.Get("Retry-After") != ""; got != tt.retryAfter {
				t.Errorf("has Retry-After: got %v, want %v", got, tt.retryAfter)
			}
			if got, want := a.header.Get("Allow"), "POST"; tt.status == 405 && got != want {
				t.Errorf("allow: got %q, want %q", got, want)
			}
			if unread := tt.status == 401 || tt.problem == "body-too-large"; unread && !a.closes {
				t.Error("the connection is kept, want it closed: its next request stands behind an unread body")
			}
			if got, want := strings.Contains(b.metrics(t), `requests_forgiven_total{slip="`+tt.slip+`",source="default"} 1`), tt.slip != ""; got != want {
				t.Errorf("counted as forgiven: got %v, want %v", got, want)
			}
			if tt.status == 200 {
				warned := fmt.Sprint(b.accepter.got()[0].Events[0].Data.Base().Warnings)
				if want := strings.HasPrefix(tt.slip, "content"); strings.Contains(warned, "content-") != want {
					t.Errorf("warnings: got %s, want one of a header: %v", warned, want)
				}
				if a.body != "{}" || a.header.Get("Content-Type") != "application/json" {
					t.Errorf("reply: got %q %q, want {} application/json", a.body, a.header.Get("Content-Type"))
				}
				return
			}
			p := a.problem(t)
			if got, want := p["type"], "urn:treble-bridge:problem:"+tt.problem; got != want {
				t.Errorf("type: got %v, want %v", got, want)
			}
			if strings.Contains(a.body, "fire") {
				t.Errorf("internal error text in %s", a.body)
			}
			if tt.status == 422 && !strings.Contains(a.body, `"violations":[{"field":"session_id","problem":"`) {
				t.Errorf("got %s, want session_id among the violations", a.body)
			}
			if want := tt.numbers; want != [2]float64{} && (p["size"] != want[0] || p["limit"] != want[1]) {
				t.Errorf("size and limit: got %v %v, want %v", p["size"], p["limit"], want)
			}
		})
	}
}

// request makes one from a row; "" is what is right, "-" is none.
func request(t *testing.T, url, method, path, contentType, encoding, secret, body string) *http.Request {
	pick := func(v, usual string) string {
		switch v {
		case "":
			return usual
		case "-":
			return ""
		}
		return v
	}
	r := newRequest(t, pick(method, "POST"), url+pick(path, "/webhook"), strings.NewReader(pick(body, read)))
	r.Header.Del("Authorization")
	if secret = pick(secret, token); secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	if contentType == "-" {
		r.Header.Del("Content-Type")
	} else {
		r.Header.Set("Content-Type", pick(contentType, "application/json"))
	}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r
}

func TestRepliesChunkedTooLarge(t *testing.T) {
	s := newSetup()
	s.config.MaxBody = 1000
	b := s.start(t)
	for _, size := range []int{1000, 1001, 300_000} {
		body := `{"x":"` + strings.Repeat("y", size-8) + `"}`
		// Hiding the length from net/http makes it send chunks.
		a := do(t, newRequest(t, "POST", b.url+"/webhook", io.MultiReader(strings.NewReader(body))))
		want := 413
		if size == 1000 {
			want = 200
		}
		if a.status != want {
			t.Fatalf("%d bytes: got %d, want %d", size, a.status, want)
		}
		if want == 413 {
			if p := a.problem(t); p["size"] != 1001.0 || p["limit"] != 1000.0 {
				t.Errorf("%d bytes: got size %v and limit %v, want 1001 and 1000", size, p["size"], p["limit"])
			}
		}
	}
	got := b.accepter.got()
	if len(got) != 3 || len(got[0].Body) != 1000 || got[0].Rejection != nil {
		t.Fatalf("got %d deliveries, want the one of 1000 bytes, whole, and two for the quarantine", len(got))
	}
	for _, d := range got[1:] {
		if d.Rejection == nil || d.Rejection.Reason != schema.ReasonBodyTooLarge || len(d.Body) != 1001 {
			t.Errorf("kept: got %+v with %d bytes, want the beginning", d.Rejection, len(d.Body))
		}
	}
}

func TestRepliesTooMany(t *testing.T) {
	h := newHeld()
	s := newSetup()
	s.config.MaxInFlight = 2
	s.accepter.AcceptFn = h.accept
	b := s.start(t)
	first, second := b.postLater(t, read), b.postLater(t, read)
	<-h.inside
	<-h.inside
	a := b.post(t, "/webhook", read)
	if a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d with Retry-After %q, want 429 with one", a.status, a.header.Get("Retry-After"))
	}
	if got := b.send(t, "/webhook", "").status; got != 401 {
		t.Errorf("without credentials: got %d, want 401 also when full", got)
	}
	close(h.release)
	for _, a := range []answer{<-first, <-second} {
		if a.status != 200 {
			t.Errorf("held request: got %d, want 200", a.status)
		}
	}
	if got := b.post(t, "/webhook", read).status; got != 200 {
		t.Errorf("afterwards: got %d, want 200", got)
	}
}

// TestRepliesTooManyBytes: what is in work is bounded in bytes too, and a small body gets in all the same.
func TestRepliesTooManyBytes(t *testing.T) {
	h := newHeld()
	s := newSetup()
	s.config.MaxBody, s.config.MaxInFlightBytes = 300_000, 300_000
	s.accepter.AcceptFn = h.accept
	b := s.start(t)
	large := `{"session_id":"s","read_at":"2024-01-01 00:00:00","x":"` + strings.Repeat("x", 200_000) + `"}`
	first := b.postLater(t, large)
	<-h.inside
	if a := b.post(t, "/webhook", large); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("a second large body: got %d with Retry-After %q, want 429 with one", a.status, a.header.Get("Retry-After"))
	}
	beyond := dial(t, b.addr)
	io.WriteString(beyond, head(token, 250_000))
	if got := readAnswer(t, beyond).status; got != 429 {
		t.Errorf("announced is more than there is room for: got %d, want 429", got)
	}
	small := b.postLater(t, read)
	<-h.inside // the small one got in
	close(h.release)
	for _, a := range []answer{<-first, <-small} {
		if a.status != 200 {
			t.Errorf("held request: got %d, want 200", a.status)
		}
	}
	if got := b.post(t, "/webhook", large).status; got != 200 {
		t.Errorf("afterwards: got %d, want 200", got)
	}
}

func TestRepliesSource(t *testing.T) {
	s := newSetup()
	other := s.sources[0]
	other.Name, other.Paths = "other", []string{"/other", "/webhooks/on-delivered"}
	other.Kinds = []string{"message.delivered"}
	other.Reply = `{"success":true}`
	s.sources = append(s.sources, other)
	b := s.start(t)

	delivered := strings.Replace(read, "read_at", "delivered_at", 1)
	if a := b.post(t, "/other", delivered); a.status != 200 || a.body != `{"success":true}` {
		t.Errorf("got %d %s, want 200 and the fixed reply", a.status, a.body)
	}
	if a := b.post(t, "/other", read); a.status != 422 || !strings.Contains(a.body, "kind-not-accepted") {
		t.Errorf("got %d %s, want 422 kind-not-accepted", a.status, a.body)
	}
	b.post(t, "/webhooks/on-delivered/", delivered) // exact before *
	b.post(t, "/webhooks/on-delivered2", delivered)
	var sources []string
	for _, d := range b.accepter.got() {
		sources = append(sources, d.Source+d.Path)
	}
	want := "other/other other/other other/webhooks/on-delivered default/webhooks/on-delivered2"
	if got := strings.Join(sources, " "); got != want {
		t.Errorf("sources: got %s, want %s", got, want)
	}
}

// TestRepliesOverQuota: a source that sends more than it may is refused, and the others are not.
func TestRepliesOverQuota(t *testing.T) {
	many := "[" + strings.Repeat(read+",", delivery.MaxEvents-1) + read + "]"
	for _, tt := range []struct {
		name   string
		limits quota.Limits
	}{
		{"events", quota.Limits{EventsPerSecond: 1}},
		{"bytes", quota.Limits{BytesPerSecond: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.MaxBody = value.Size(len(many))
			other := s.sources[0]
			other.Name, other.Paths = "other", []string{"/other"}
			s.sources[0].Limits = tt.limits
			s.sources = append(s.sources, other)
			b := s.start(t)
			if got := b.post(t, "/webhook", many).status; got != 200 {
				t.Fatalf("what one request may have at most: got %d, want 200", got)
			}
			a := b.post(t, "/webhook", read)
			if a.status != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "over-quota") {
				t.Errorf("got %d %s with Retry-After %q, want 429 over-quota with one", a.status, a.body, a.header.Get("Retry-After"))
			}
			if got := b.post(t, "/other", read).status; got != 200 {
				t.Errorf("the other source: got %d, want 200", got)
			}
			if got := b.accepter.got(); len(got) != 2 || got[0].Share != .75 {
				t.Errorf("got %d deliveries, with a share of %v; want 2 with 0.75", len(got), got[0].Share)
			}
		})
	}
}
