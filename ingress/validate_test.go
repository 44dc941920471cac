package ingress_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// wantProblems checks that err has one line per key, in order.
func wantProblems(t *testing.T, err error, keys ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %q", keys)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(keys) {
		t.Fatalf("got %q, want problems of %q", lines, keys)
	}
	for i, key := range keys {
		if !strings.HasPrefix(lines[i], key+": ") {
			t.Errorf("got %q, want a problem of %s", lines[i], key)
		}
	}
}

func TestConfigValidateReportsAll(t *testing.T) {
	wantProblems(t, ingress.Config{Timezone: "Mars/Olympus"}.Validate(),
		"ingress.addr", "ingress.max_connections", "ingress.max_body", "ingress.max_in_flight", "ingress.max_in_flight_bytes", "ingress.max_elements", "ingress.min_body_rate", "ingress.accept_timeout",
		"ingress.header_timeout", "ingress.body_timeout", "ingress.idle_timeout", "ingress.timezone")
}

func TestValidateSources(t *testing.T) {
	ok := auth.Config{Bearer: []value.Secret{token}}
	wantProblems(t, ingress.ValidateSources([]ingress.SourceConfig{
		{Name: "a", Paths: []string{"/a", "/open-*"}, Auth: ok},
		{Name: "Upper", Kinds: []string{"message.read", "nothing"}, Reply: `{"a":0123}`},
		{Name: "a", Paths: []string{"a", "/:id", "/*/a", "//a", "/a b", "/a/", "/open-*", "/open-x"}, Auth: ok},
		{Name: strings.Repeat("n", 33), Paths: []string{"/n"}, Auth: ok},
	}),
		"sources[1].name", "sources[1].paths", "sources[1].kinds[1]", "sources[1].reply", "sources[1].auth.bearer",
		"sources[2].paths[0]", "sources[2].paths[1]", "sources[2].paths[2]", "sources[2].paths[3]", "sources[2].paths[4]",
		"sources[3].name",
		"sources[2].name", "sources[2].paths[5]", "sources[2].paths[6]")
}

func TestNewRefuses(t *testing.T) {
	s := newSetup()
	s.config.MaxBody = 0
	s.sources[0].Name = ""
	_, err := ingress.New(s.config, s.sources, s.accepter, zap.NewNop(), prometheus.NewRegistry())
	wantProblems(t, err, "ingress.max_body", "sources[0].name")

	s = newSetup()
	reg := prometheus.NewRegistry()
	for i, want := range []bool{true, false} { // the second registers the same metrics
		if _, err := ingress.New(s.config, s.sources, s.accepter, zap.NewNop(), reg); (err == nil) != want {
			t.Errorf("server %d: got %v, want success %v", i, err, want)
		}
	}
}
