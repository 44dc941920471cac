package e2e

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// lintMetrics holds names, units and help of the metrics against what Prometheus recommends. It
// reads what the real bridge serves after every kind of answer, since a metric with labels is
// in no registry before it has a sample.
func lintMetrics(t *testing.T, p *bridge.Process) {
	t.Helper()
	problems, err := testutil.GatherAndLint(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return bridge.Families(p.OpsURL("/metrics"))
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// checkMetrics holds what the metrics say against what was done: every request
// is counted once, under its source and outcome, and every event once.
func checkMetrics(t *testing.T, p *bridge.Process, sent map[int]int, stored int) {
	t.Helper()
	m := p.Metrics(t)
	all := 0
	for _, n := range sent {
		all += n
	}
	kept := 0
	for _, c := range refusals() {
		if c.kept {
			kept++
		}
		if n := m.Sum("treble_bridge_requests_total", `outcome="`+c.problem+`"`); n == 0 {
			t.Errorf("treble_bridge_requests_total: got none with the outcome %s", c.problem)
		}
	}
	for _, c := range []struct {
		name, label string
		want        int
	}{
		{"treble_bridge_requests_total", "", all},
		{"treble_bridge_requests_total", `outcome="accepted"`, sent[http.StatusOK]},
		{"treble_bridge_requests_total", `source="none"`, sent[http.StatusNotFound]},
		{"treble_bridge_requests_total", `outcome="unauthorized"`, sent[http.StatusUnauthorized]},
		{"treble_bridge_published_total", "", stored},
		{"treble_bridge_publish_duplicates_total", "", 1}, // the repeated delivery
		{"treble_bridge_quarantine_total", `outcome="stored"`, kept},
		{"treble_bridge_quarantine_total", "", kept},
		{"treble_bridge_nats_connected", "", 1},
		{"treble_bridge_requests_in_flight", "", 0},
	} {
		if got := m.Sum(c.name, c.label); got != c.want {
			t.Errorf("%s{%s}: got %d, want %d", c.name, c.label, got, c.want)
		}
	}
}
