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
	cfg.MaxBody = 4096
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
