package ingress_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/schema"
)

const signingKey = "signing-8a1c40d7-key"

// signedBy returns the header of a body, as GitHub and Meta sign.
func signedBy(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return "X-Hub-Signature-256: sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func signedSetup() setup {
	s := newSetup()
	s.sources[0].Auth = auth.Config{HMAC: auth.HMACConfig{Header: "X-Hub-Signature-256", Prefix: "sha256=", Keys: []value.Secret{signingKey}}}
	return s
}

func TestSignedBody(t *testing.T) {
	b := signedSetup().start(t)
	for _, tt := range []struct {
		name, body, line string
		status           int
	}{
		{"right", read, signedBy(signingKey, read), 200},
		{"other-key", read, signedBy(signingKey+"x", read), 401},
		{"other-body", read + " ", signedBy(signingKey, read), 401},
		{"other-header", read, "X-Hub-Signature: sha256=00", 401},
		{"bearer", read, "Authorization: Bearer " + signingKey, 401},
		{"right-and-refused", "{", signedBy(signingKey, "{"), 400},
	} {
		if a := b.send(t, "/webhook", tt.body, tt.line); a.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
	if got := b.accepter.got(); len(got) != 2 || got[0].Rejection != nil || got[1].Rejection == nil {
		t.Errorf("got %d deliveries, want the event and the refused body", len(got))
	}
	b.wantMetrics(t, `treble_bridge_authentications_total{credential="hmac-1",source="default"} 2`, `outcome="unauthorized",source="default"} 4`)
}

// TestSignedAndLost: a signed body to a path of no source is kept, if the signature is one of a source.
func TestSignedAndLost(t *testing.T) {
	s := signedSetup()
	s.config.MaxBody = 1000
	b := s.start(t)
	large := strings.Repeat(" ", 2000)
	for _, tt := range []struct {
		name, body, line string
		kept             bool
	}{
		{"right", read, signedBy(signingKey, read), true},
		{"other-key", read, signedBy(signingKey+"x", read), false},
		{"nothing", read, "X-Note: a", false},
		{"too-large", large, signedBy(signingKey, large), false},
	} {
		before := len(b.accepter.got())
		if a := b.send(t, "/elsewhere", tt.body, tt.line); a.status != 404 {
			t.Errorf("%s: got %d, want 404", tt.name, a.status)
		}
		got := b.accepter.got()[before:]
		if (len(got) == 1) != tt.kept || tt.kept && (got[0].Rejection.Reason != schema.ReasonNotFound || got[0].Source != "default") {
			t.Errorf("%s: got %+v, want it kept: %v", tt.name, got, tt.kept)
		}
	}
}

// TestUnsignedBodyIsNotKept: of a body that broke off, or is too large, nobody knows whose it is.
func TestUnsignedBodyIsNotKept(t *testing.T) {
	s := signedSetup()
	s.config.MaxBody, s.config.BodyTimeout = 1000, 100*time.Millisecond
	b := s.start(t)
	conn := dial(t, b.addr)
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: bridge\r\n%s\r\nContent-Length: 500\r\n\r\n{", signedBy(signingKey, read))
	if a := readAnswer(t, conn); a.status != 408 {
		t.Errorf("broken off: got %d, want 408", a.status)
	}
	if a := b.send(t, "/webhook", strings.Repeat(" ", 2000), signedBy(signingKey, read)); a.status != 413 {
		t.Errorf("too large: got %d, want 413", a.status)
	}
	if n := len(b.accepter.got()); n != 0 {
		t.Errorf("%d bodies were kept", n)
	}
}

// TestSecretInThePath: it lets in, is not in what is kept, and a wrong one neither.
func TestSecretInThePath(t *testing.T) {
	s := newSetup()
	const secret = "segment-51c07e9a-of-the-path"
	s.sources[0].Paths = []string{"/hook/*"}
	s.sources[0].Auth = auth.Config{Path: auth.PathConfig{Values: []value.Secret{secret}}, Bearer: []value.Secret{token}}
	b := s.start(t)
	for target, status := range map[string]int{
		"/hook/" + secret: 200, "/hook/%73" + secret[1:]: 200, "//hook//" + secret + "/": 200,
		"/hook/" + secret + "x": 401, "/hook/": 404, "/hook/" + secret + "/x": 404, "/hook?x=" + secret: 404,
	} {
		if a := b.send(t, target, read); a.status != status {
			t.Errorf("%s: got %d, want %d", target, a.status, status)
		}
	}
	b.send(t, "/hook/"+secret, "{")
	b.send(t, "/hok/"+secret, read, "Authorization: Bearer "+token) // a slip in the URL, kept for the bearer token
	got := b.accepter.got()
	if len(got) != 5 {
		t.Errorf("got %d deliveries, want 5", len(got))
	}
	for _, d := range got {
		if strings.Contains(d.Path, secret) || !slices.Contains([]string{"/hook/*", "/hok/*"}, d.Path) {
			t.Errorf("path: got %q, want it without the secret", d.Path)
		}
	}
	if text := b.logs.String() + b.metrics(t); strings.Contains(text, secret) {
		t.Errorf("the secret is in a log or metric")
	}
}

// TestSpoofedAddress: what an untrusted peer writes into X-Forwarded-For changes nothing.
func TestSpoofedAddress(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trusted []string
		allow   string
		line    string
		status  int
	}{
		{"peer", nil, "127.0.0.1", "", 200},
		{"other", nil, "192.0.2.1", "", 401},
		{"spoofed", nil, "192.0.2.1", "X-Forwarded-For: 192.0.2.1", 401},
		{"spoofed-away", nil, "127.0.0.1", "X-Forwarded-For: 192.0.2.1", 200},
		{"proxy", []string{"127.0.0.0/8"}, "192.0.2.1", "X-Forwarded-For: 192.0.2.1", 200},
		{"behind-a-proxy-spoofed", []string{"127.0.0.0/8"}, "192.0.2.1", "X-Forwarded-For: 192.0.2.1, 198.51.100.1", 401},
		{"behind-a-proxy-the-proxy-itself", []string{"127.0.0.0/8"}, "127.0.0.1", "X-Forwarded-For: 198.51.100.1", 401},
		{"proxy-with-garbage", []string{"127.0.0.0/8"}, "127.0.0.1", "X-Forwarded-For: unknown", 401},
		{"trusted-is-another", []string{"10.0.0.0/8"}, "192.0.2.1", "X-Forwarded-For: 192.0.2.1", 401},
		{"other-header", nil, "192.0.2.1", "Forwarded: for=192.0.2.1", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.TrustedProxies = tt.trusted
			s.sources[0].Auth.IP.Allow, s.sources[0].Auth.Require = []string{tt.allow}, "ip and bearer"
			b := s.start(t)
			lines := []string{"Authorization: Bearer " + token}
			if tt.line != "" {
				lines = append(lines, tt.line)
			}
			if a := b.send(t, "/webhook", read, lines...); a.status != tt.status {
				t.Errorf("got %d, want %d", a.status, tt.status)
			}
			if a := b.send(t, "/webhook", read, lines[1:]...); a.status != 401 {
				t.Errorf("without the secret: got %d, want 401", a.status)
			}
		})
	}
}

// TestFailuresAreLimited: an address that fails too often is answered 429, right credentials never,
// and the log does not grow with it.
func TestFailuresAreLimited(t *testing.T) {
	s := newSetup()
	s.config.MaxAuthFailures = 5
	b := s.start(t)
	statuses := map[int]int{}
	for i := range 40 {
		lines := []string{"Authorization: Bearer wrong-" + fmt.Sprint(i)}
		if i%2 == 0 {
			lines = nil
		}
		a := b.send(t, "/webhook", read, lines...)
		statuses[a.status]++
		if a.status == 429 && (a.header.Get("Retry-After") == "" || a.problem(t)["type"] != "urn:treble-bridge:problem:too-many-failures") {
			t.Errorf("got %v %s, want Retry-After and too-many-failures", a.header, a.body)
		}
	}
	if statuses[401] < 5 || statuses[401] > 10 || statuses[401]+statuses[429] != 40 {
		t.Errorf("got %v, want 5 or a few more 401, and 429 for the others", statuses)
	}
	if a := b.send(t, "/webhook", read, "Authorization: Bearer "+token); a.status != 200 {
		t.Errorf("right credentials: got %d, want 200", a.status)
	}
	if n := strings.Count(b.logs.String(), `"msg":"refused"`); n == 0 || n > 12 { // of each outcome one a second
		t.Errorf("%d lines for 40 refusals", n)
	}
}

// TestFailuresAreThoseOfTheClient: behind a trusted proxy, one client does not pay for another.
func TestFailuresAreThoseOfTheClient(t *testing.T) {
	s := newSetup()
	s.config.MaxAuthFailures, s.config.TrustedProxies = 3, []string{"127.0.0.1"}
	b := s.start(t)
	var statuses []int
	for range 5 {
		statuses = append(statuses, b.send(t, "/webhook", "", "X-Forwarded-For: 192.0.2.1").status)
	}
	if statuses[0] != 401 || statuses[4] != 429 {
		t.Errorf("one client: got %v, want 401 and in the end 429", statuses)
	}
	if a := b.send(t, "/webhook", "", "X-Forwarded-For: 192.0.2.2"); a.status != 401 {
		t.Errorf("another client: got %d, want 401", a.status)
	}
}

// TestRefusalsAreAggregated: a flood writes a bounded number of lines a second, with counts.
func TestRefusalsAreAggregated(t *testing.T) {
	t.Parallel()
	s := newSetup()
	s.config.MaxAuthFailures = 0
	b := s.start(t)
	began := time.Now()
	const flood = 300
	send := func() {
		if a := b.send(t, "/webhook", ""); a.status != 401 {
			t.Fatalf("got %d, want 401", a.status)
		}
	}
	for range flood {
		send()
	}
	most := int(time.Since(began)/time.Second) + 1
	if n := strings.Count(b.logs.String(), `"msg":"refused"`); n == 0 || n > most {
		t.Errorf("%d lines for %d refusals, want at most %d", n, flood, most)
	}
	eventually(t, "a later line has the count", func() bool {
		send()
		return strings.Contains(b.logs.String(), `"more_since_the_last_line":`)
	})
	if b.has(t, `outcome="unauthorized",source="default"} 1`+"\n") {
		t.Error("the metric counts lines, not requests")
	}
}

// TestOperatorHeaders: a test run and the time of an earlier receipt come from operators only.
func TestOperatorHeaders(t *testing.T) {
	for _, tt := range []struct {
		name      string
		operators []string // nil: the default
		trusted   []string
		line      string
		status    int
	}{
		{"local", nil, nil, "Treble-Test: run-1", 200},
		{"local-received", nil, nil, "Treble-Received: 2026-01-31T08:00:00Z", 200},
		{"nobody", []string{}, nil, "Treble-Test: run-1", 403},
		{"others", []string{"192.0.2.0/24"}, nil, "Treble-Received: 0001-01-01T00:00:00Z", 403},
		{"empty-value", []string{}, nil, "Treble-Test: ", 403},
		{"behind-a-local-proxy", nil, nil, "Treble-Test: run-1\r\nX-Forwarded-For: 192.0.2.1", 403},
		{"behind-a-local-proxy-via", nil, nil, "Treble-Test: run-1\r\nVia: 1.1 proxy", 403},
		{"spoofed", []string{"192.0.2.1"}, nil, "Treble-Test: run-1\r\nX-Forwarded-For: 192.0.2.1", 403},
		{"through-a-trusted-proxy", []string{"192.0.2.1"}, []string{"127.0.0.1"}, "Treble-Test: run-1\r\nX-Forwarded-For: 192.0.2.1", 200},
		{"through-a-trusted-proxy-another", nil, []string{"127.0.0.1"}, "Treble-Test: run-1\r\nX-Forwarded-For: 192.0.2.1", 403},
		{"nothing", []string{}, nil, "X-Note: a", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			if tt.operators != nil {
				s.config.Operators = tt.operators
			}
			s.config.TrustedProxies = tt.trusted
			b := s.start(t)
			a := b.send(t, "/webhook", read, "Authorization: Bearer "+token, tt.line)
			if a.status != tt.status {
				t.Fatalf("got %d %s, want %d", a.status, a.body, tt.status)
			}
			if kept := len(b.accepter.got()); (kept == 1) != (tt.status == 200) {
				t.Errorf("%d deliveries", kept)
			}
			if strings.Contains(a.body, "run-1") {
				t.Errorf("the value is repeated: %s", a.body)
			}
		})
	}
}

// TestHeadersOfRefusedBodies: of a header that nobody knows the name is kept, and no value.
func TestHeadersOfRefusedBodies(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.Header = auth.HeaderConfig{Name: "User-Agent", Values: []value.Secret{"agent-with-a-long-secret"}}
	b := s.start(t)
	b.send(t, "/webhook", "{", "Authorization: Bearer "+token, "X-Custom-Pass: canary-pass", "User-Agent: agent-canary", "X-Request-Id: 42",
		"Cookie: canary", "X-Forwarded-For: 192.0.2.1", "Accept: */*")
	d := b.accepter.got()[0]
	want := map[string][]string{"Accept": {"*/*"}, "Authorization": {""}, "Content-Length": {"1"}, "Content-Type": {"application/json"},
		"Cookie": {""}, "User-Agent": {""}, "X-Custom-Pass": {""}, "X-Forwarded-For": {""}, "X-Request-Id": {"42"}}
	got, _ := json.Marshal(d.Header)
	if expected, _ := json.Marshal(want); string(got) != string(expected) {
		t.Errorf("got  %s\nwant %s", got, expected)
	}
}

// TestKeepRefused: what comes with a wrong secret during a rotation is kept, as many as are allowed,
// and answered as ever.
func TestKeepRefused(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.KeepRefused = 3
	b := s.start(t)
	plain := newSetup().start(t)
	for i := range 6 {
		a := b.send(t, "/webhook", read, "Authorization: Bearer the-old-one")
		if want := plain.send(t, "/webhook", read, "Authorization: Bearer the-old-one"); a.status != 401 || a.body != want.body {
			t.Errorf("%d: got %d %s, want %d %s", i, a.status, a.body, want.status, want.body)
		}
	}
	got := b.accepter.got()
	if len(got) != 3 {
		t.Fatalf("%d bodies are kept, want 3", len(got))
	}
	if d := got[0]; d.Rejection == nil || d.Rejection.Reason != schema.ReasonUnauthorized || string(d.Body) != read || d.Path != "/webhook" ||
		d.Source != "default" || d.Header["Authorization"][0] != "" || d.Received.IsZero() {
		t.Errorf("got %+v, want the body, refused as unauthorized", d)
	}
	if n := len(plain.accepter.got()); n != 0 {
		t.Errorf("without auth.keep_refused %d are kept", n)
	}
}

func TestKeepRefusedIsBounded(t *testing.T) {
	s := signedSetup()
	s.sources[0].Auth.KeepRefused = 100
	b := s.start(t)
	large := `{"a":"` + strings.Repeat("x", 300<<10) + `"}`
	b.send(t, "/webhook", large)
	b.send(t, "/webhook", large, signedBy("another-key-of-the-sender", large))
	conn := dial(t, b.addr) // without a length
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: bridge\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(large), large)
	readAnswer(t, conn)
	if n := len(b.accepter.got()); n != 0 {
		t.Fatalf("%d large bodies are kept", n)
	}
	b.send(t, "/webhook", read, signedBy("another-key-of-the-sender", read))
	b.send(t, "/webhook", read)
	if got := b.accepter.got(); len(got) != 2 || got[0].Rejection.Reason != schema.ReasonUnauthorized || string(got[1].Body) != read {
		t.Errorf("got %+v, want both small ones", got)
	}
}

func TestCredentialsStatus(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.Secrets = []auth.SecretConfig{
		{Name: "next", Scheme: "bearer", Value: "next-secret-77aa10", NotBefore: "2020-01-01T00:00:00Z"},
		{Name: "gone", Scheme: "bearer", Value: "gone-secret-77aa10", NotAfter: "2020-01-01T00:00:00Z"},
	}
	b := s.start(t)
	b.send(t, "/webhook", read, "Authorization: Bearer next-secret-77aa10")
	if a := b.send(t, "/webhook", read, "Authorization: Bearer gone-secret-77aa10"); a.status != 401 {
		t.Errorf("a secret that is over: got %d, want 401", a.status)
	}
	// The commands of the bridge use the first secret, and that must not hide that nobody else does.
	b.send(t, "/webhook", read, "Authorization: Bearer "+token, "Treble-Test: run-1")
	b.send(t, "/webhook", read, "Authorization: Bearer "+token, "Treble-Received: 2026-01-31T08:00:00Z")
	b.send(t, "/webhook", `{"event_type":"bridge.probe","event_id":"p1"}`, "Authorization: Bearer "+token)
	got := b.Credentials()
	if len(got.Credentials) != 3 || got.Since.IsZero() {
		t.Fatalf("got %+v, want three credentials and the start", got)
	}
	for i, want := range []ops.CredentialStatus{{Name: "bearer-1"}, {Name: "next", Uses: 1}, {Name: "gone"}} {
		c := got.Credentials[i]
		if c.Name != want.Name || c.Uses != want.Uses || (c.LastUsed != nil) != (want.Uses > 0) || c.Source != "default" || c.Scheme != "bearer" {
			t.Errorf("got %+v, want %+v", c, want)
		}
	}
	if got.Credentials[1].NotBefore == nil || got.Credentials[2].NotAfter == nil {
		t.Errorf("got %+v, want the times in which they are valid", got.Credentials)
	}
	b.wantMetrics(t,
		`treble_bridge_authentications_total{credential="bearer-1",source="default"} 3`,
		`treble_bridge_authentications_total{credential="next",source="default"} 1`,
		`treble_bridge_credential_last_used_timestamp_seconds{credential="gone",source="default"} 0`,
		`treble_bridge_credential_last_used_timestamp_seconds{credential="next",source="default"} 1`)
}
