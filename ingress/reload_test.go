package ingress_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

func (b *bridge) apply(t testing.TB, s setup) {
	t.Helper()
	p, err := b.Prepare(s.config, s.sources)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply()
}

// Routes, credentials and limits are those of the configuration that was taken over last, and what
// counts goes on counting.
func TestApplyTakesOver(t *testing.T) {
	s := newSetup()
	b := s.start(t)
	if a := b.post(t, "/webhook", read); a.status != http.StatusOK {
		t.Fatalf("got %d", a.status)
	}
	next := newSetup()
	next.config.MaxBody = 100
	next.sources[0].Name, next.sources[0].Paths = "other", []string{"/other"}
	next.sources[0].Auth = auth.Config{Bearer: []value.Secret{"another-token-0000001"}}
	b.apply(t, next)
	for name, tt := range map[string]struct {
		path, token, body string
		status            int
	}{
		"gone":      {"/webhook", token, read, http.StatusNotFound},
		"old-token": {"/other", token, read, http.StatusUnauthorized},
		"too-large": {"/other", "another-token-0000001", read + strings.Repeat(" ", 100), http.StatusRequestEntityTooLarge},
	} {
		r := b.request(t, tt.path, tt.body)
		r.Header.Set("Authorization", "Bearer "+tt.token)
		if a := do(t, r); a.status != tt.status {
			t.Errorf("%s: got %d, want %d", name, a.status, tt.status)
		}
	}
	b.apply(t, s)
	if a := b.post(t, "/webhook", read); a.status != http.StatusOK {
		t.Errorf("back again: got %d", a.status)
	}
	b.wantMetrics(t, `authentications_total{credential="bearer-1",source="default"} 2`, `last_event_timestamp_seconds{source="other"}`)
	if got := b.Credentials().Credentials; len(got) != 1 || got[0].Source != "default" || got[0].Uses != 2 {
		t.Errorf("credentials: %+v", got)
	}
}

// A request in work ends with what counted when it came, and gives back what it holds: its slot is
// taken also for the configuration after it.
func TestApplyDuringARequest(t *testing.T) {
	s := newSetup()
	s.config.MaxInFlight = 1
	h := newHeld()
	s.accepter.AcceptFn = h.accept
	b := s.start(t)
	inWork := b.postLater(t, read)
	<-h.inside
	next := s
	next.sources = []ingress.SourceConfig{s.sources[0]}
	next.sources[0].Auth = auth.Config{Bearer: []value.Secret{"another-token-0000001", token}}
	b.apply(t, next)
	if a := b.post(t, "/webhook", read); a.status != http.StatusTooManyRequests {
		t.Errorf("beside the request in work: got %d, want 429", a.status)
	}
	close(h.release)
	if a := <-inWork; a.status != http.StatusOK {
		t.Errorf("the request in work: got %d", a.status)
	}
	eventually(t, "its slot is free", func() bool { return b.post(t, "/webhook", read).status == http.StatusOK })
}

// What is wrong is an error with its key, and nothing changes.
func TestPrepareRefuses(t *testing.T) {
	s := newSetup()
	b := s.start(t)
	for want, change := range map[string]func(*setup){
		"ingress.max_body":            func(s *setup) { s.config.MaxBody = 0 },
		"sources[0].auth.bearer_file": func(s *setup) { s.sources[0].Auth.BearerFile = "/nowhere" },
		"sources[0].paths":            func(s *setup) { s.sources[0].Paths = nil },
	} {
		next := newSetup()
		change(&next)
		if _, err := b.Prepare(next.config, next.sources); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if a := b.post(t, "/webhook", read); a.status != http.StatusOK {
		t.Errorf("got %d", a.status)
	}
}
