package ingress

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func FuzzContentType(f *testing.F) {
	for _, seed := range []string{"", "application/json", "TEXT/JSON ; charset=utf-8", "application/x+json", "application/+json", "text/plain", ";", "a/b;c=\"d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		essence, _, _ := strings.Cut(v, ";")
		if isJSON(v) && strings.TrimSpace(essence) != "" && !strings.Contains(strings.ToLower(essence), "json") {
			t.Errorf("%q counts as JSON", v)
		}
	})
}

// FuzzPath: the canonical form is one, and it keeps everything but slashes and what cannot be
// seen, so that it leads nowhere else.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/", "//webhook", "/webhook/ /", "/a\u200b//", "/a/../b", "*", "/\xff/"} {
		f.Add(seed)
	}
	bare := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '/' || value.Invisible(r) {
				return -1
			}
			return r
		}, s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := canonicalPath(path)
		if again := canonicalPath(got); again != got {
			t.Errorf("%q became %q and then %q", path, got, again)
		}
		if bare(got) != bare(path) || strings.Contains(got, "//") || got != "/" && strings.HasSuffix(got, "/") {
			t.Errorf("%q became %q", path, got)
		}
	})
}

type acceptAll struct{}

func (acceptAll) Accept(context.Context, delivery.Delivery) error { return nil }

// FuzzHandler: no request makes the handler panic, or answer what is not in
// the table of replies. 500 is not among what a request may cause.
func FuzzHandler(f *testing.F) {
	const secret = "secret-of-the-fuzz-test"
	cfg := DefaultConfig()
	cfg.MaxBody, cfg.MaxAuthFailures = 4096, 0
	src := DefaultSource()
	src.Auth = auth.Config{Bearer: []value.Secret{secret}}
	s, err := New(cfg, []SourceConfig{src}, acceptAll{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	documented := []int{200, 400, 401, 404, 405, 413, 415, 422}
	f.Add("POST", "/webhook", "Bearer "+secret, "application/json", "", []byte(`{"read_at":"x","session_id":"1"}`))
	f.Add("POST", "/webhooks/on-read", "bearer "+secret, "", "identity", []byte(`[{}]`))
	f.Add("POST", "/webhooks/on-a/b", "", "", "", []byte(``))
	f.Add("OPTIONS", "/webhooks/on-%2f", "Basic", "text/plain", "gzip", []byte(`{`))
	f.Add("", "*", "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, authorization, contentType, encoding string, body []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Method, r.URL.Path = method, path
		r.Header = http.Header{"Authorization": {authorization}, "Content-Type": {contentType}, "Content-Encoding": {encoding}}
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if !slices.Contains(documented, w.Code) {
			t.Errorf("%s %s: got %d %s, want one of %v", method, path, w.Code, w.Body, documented)
		}
		if w.Code == 200 && (method != "POST" || !strings.HasSuffix(strings.TrimSpace(authorization), secret)) {
			t.Errorf("%s %s with %q was accepted", method, path, authorization)
		}
	})
}

// FuzzCredentials: whatever stands in the headers and the URL, a request without a credential is
// not let in, by no scheme, and its path and query are not in what is kept.
func FuzzCredentials(f *testing.F) {
	const key = "9f3b6c1e0d5a4827b6e1"
	secret := []value.Secret{key}
	cfg := DefaultConfig()
	cfg.MaxBody, cfg.MaxAuthFailures, cfg.TrustedProxies = 4096, 0, []string{"10.0.0.0/8"}
	var sources []SourceConfig
	for name, a := range map[string]auth.Config{
		"hmac":     {HMAC: auth.HMACConfig{Header: "X-Sum", Prefix: "v1=", Separator: ",", TimestampPrefix: "t=", Template: "{timestamp}.{body}", Keys: secret}},
		"standard": {StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}},
		"basic":    {Basic: auth.BasicConfig{User: "u", Passwords: secret}},
		"query":    {Query: auth.QueryConfig{Name: "t", Values: secret}},
		"ip":       {IP: auth.IPConfig{Allow: []string{"192.0.2.99"}}},
	} {
		sources = append(sources, SourceConfig{Name: name, Paths: []string{"/" + name}, Auth: a})
	}
	sources = append(sources, SourceConfig{Name: "path", Paths: []string{"/path/*"}, Auth: auth.Config{Path: auth.PathConfig{Values: secret}}})
	s, err := New(cfg, sources, acceptAll{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/hmac", "", "t=1492774577,v1=00", "1492774577", "198.51.100.1", []byte(`{}`))
	f.Add("/standard", "", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "1614265330", "", []byte(`{}`))
	f.Add("/basic", "", "Basic dTp1", "", "10.0.0.1, 192.0.2.99", []byte(`{}`))
	f.Add("/query", "t=x", "", "", "", []byte(`{}`))
	f.Add("/path/x", "", "", "", "", []byte(`{`))
	f.Add("/ip", "", "", "", "192.0.2.99", []byte(`{}`))
	f.Fuzz(func(t *testing.T, path, query, header, timestamp, forwarded string, body []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.URL.Path, r.URL.RawQuery = path, query // RemoteAddr is no proxy of ours
		r.Header = http.Header{"X-Sum": {header}, "Webhook-Signature": {header}, "Authorization": {header}, "Webhook-Timestamp": {timestamp},
			"Webhook-Id": {timestamp}, "X-Forwarded-For": {forwarded}}
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if given := path + query + header; w.Code == 200 && !strings.Contains(given, key) && !strings.Contains(given, "%") {
			t.Errorf("%s?%s with %q was accepted", path, query, header)
		}
		if w.Code == 500 {
			t.Errorf("%s?%s with %q: %s", path, query, header, w.Body)
		}
	})
}
