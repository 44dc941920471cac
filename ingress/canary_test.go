package ingress_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Each canary stands for something that must stay out of logs and metrics.
const (
	canaryPhone  = "3990001234"
	canaryText   = "canarytextofaperson"
	canaryKey    = "canarysessionvariable"
	canarySecret = "canarysecretthatisset"
	canaryWrong  = "canarysecretthatiswrong"
	canaryQuery  = "canarytokeninthequery"
	canaryPath   = "canarytokeninthepath"
)

func canaries() []string {
	return []string{canaryPhone, canaryText, canaryKey, canarySecret, canaryWrong, canaryQuery, canaryPath, "+57"}
}

var canaryBody = fmt.Sprintf(`{"country_code":"+57","cellphone":"%s","session_id":"s1","conversation_id":1,"actual_response":"%s",`+
	`"responded_at":"2024-01-01 00:00:00","user_session_keys":[{"key":"%s","value":"%[2]s"}]}`, canaryPhone, canaryText, canaryKey)

// TestNothingLeaks walks all error paths at debug level.
func TestNothingLeaks(t *testing.T) {
	broken := strings.TrimSuffix(canaryBody, "}")
	noSession := strings.Replace(canaryBody, `"session_id":"s1",`, "", 1)
	tests := []struct {
		name, method, path, secret, body string
		header                           map[string]string
		accept                           func() error
		status                           int
	}{
		{name: "accepted", status: 200},
		{name: "array", body: "[" + canaryBody + "," + canaryBody + "]", status: 200},
		{name: "broken", body: broken, status: 400},
		{name: "string", body: `"` + canaryText + `"`, status: 400},
		{name: "missing", body: noSession, status: 422},
		{name: "kind", body: `{"event_type":"` + canaryText + `","session_id":"` + canaryKey + `"}`, status: 422},
		{name: "unauthorized", secret: canaryWrong, status: 401},
		{name: "not-found", path: "/" + canaryPath, status: 404},
		{name: "method", method: "PUT", status: 405},
		{name: "content-type", header: map[string]string{"Content-Type": canaryText}, status: 200},
		{name: "content-type-refused", header: map[string]string{"Content-Type": canaryText}, body: broken, status: 415},
		{name: "content-encoding", header: map[string]string{"Content-Encoding": canaryText}, status: 200},
		{name: "content-encoding-refused", header: map[string]string{"Content-Encoding": canaryText}, body: broken, status: 415},
		{name: "large", body: canaryBody + strings.Repeat(" ", 2000), status: 413},
		{name: "unavailable", accept: func() error { return delivery.ErrUnavailable }, status: 503},
		{name: "unknown", accept: func() error { return delivery.ErrOutcomeUnknown }, status: 504},
		{name: "too-large", accept: func() error { return &delivery.TooLargeError{Size: 2, Limit: 1} }, status: 413},
		{name: "error", accept: func() error { return errors.New("other") }, status: 500},
		{name: "panic", accept: func() error { panic(canaryBody) }, status: 500},
		{name: "panic-error", accept: func() error { panic(errors.New(canaryBody)) }, status: 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.MaxBody = 2000
			s.sources[0].Auth.Bearer = []value.Secret{canarySecret}
			s.sources[0].Auth.Header.Name, s.sources[0].Auth.Header.Values = "X-Own", []value.Secret{canarySecret}
			s.sources[0].Kinds = []string{"message.responded"}
			if tt.accept != nil {
				s.accepter.AcceptFn = func(context.Context, delivery.Delivery) error { return tt.accept() }
			}
			b := s.start(t)
			r := newRequest(t, cmp.Or(tt.method, "POST"), b.url+cmp.Or(tt.path, "/webhooks/on-"+canaryPath)+"?token="+canaryQuery,
				strings.NewReader(cmp.Or(tt.body, canaryBody)))
			r.Header.Set("Authorization", "Bearer "+cmp.Or(tt.secret, canarySecret))
			r.Header.Set("X-Treble-Token", canaryWrong)
			r.Header.Set("Cookie", "a="+canaryWrong)
			r.Header.Set("Treble-Test", canaryText+" "+canaryPhone)
			r.Header.Set("User-Agent", canaryText)
			for name, v := range tt.header {
				r.Header.Set(name, v)
			}
			a := do(t, r)
			if a.status != tt.status {
				t.Fatalf("got %d %s, want %d", a.status, a.body, tt.status)
			}
			b.awaitLog(t, `"outcome"`)
			for place, text := range map[string]string{"log": b.logs.String(), "metrics": b.metrics(t), "reply": a.body} {
				for _, canary := range canaries() {
					if strings.Contains(text, canary) {
						t.Errorf("%q is in the %s: %s", canary, place, text)
					}
				}
			}
		})
	}
}

// TestOriginHasNoSecrets: what goes along with a body, and what must not.
func TestOriginHasNoSecrets(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.Header.Name, s.sources[0].Auth.Header.Values = "X-Own", []value.Secret{canarySecret}
	b := s.start(t)
	r := b.request(t, "/webhooks/on-read/?token=x", "{")
	for _, name := range []string{"Cookie", "Proxy-Authorization", "X-Own", "X-API-Key", "X-Treble-Token", "My-Secret", "X-Hub-Signature-256", "Password"} {
		r.Header.Set(name, canarySecret)
	}
	r.Header.Set("Treble-Test", "run-1")
	r.Header.Set("X-Request-Id", "42")
	if got := do(t, r).status; got != 400 {
		t.Fatalf("got %d, want 400", got)
	}
	d := b.accepter.got()[0]
	if d.Source != "default" || d.Path != "/webhooks/on-read" || d.TestRun != "run-1" || d.Received.IsZero() {
		t.Errorf("got %+v, want source, path, run and time", d.Origin)
	}
	h := http.Header(d.Header)
	if h.Get("X-Request-Id") != "42" || h.Get("Content-Type") != "application/json" {
		t.Errorf("got headers %v, want the harmless ones kept", h)
	}
	if kept := fmt.Sprint(d.Header); strings.Contains(kept, canarySecret) || strings.Contains(kept, token) {
		t.Errorf("a secret is in the headers %s", kept)
	}
}
