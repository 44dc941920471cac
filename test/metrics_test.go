package test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// checkMetrics holds what the metrics say against what was done: every request
// is counted once, under its source and outcome, and every event once.
func (p *process) checkMetrics(t *testing.T, sent tally, stored int) {
	t.Helper()
	m := p.metrics(t)
	all := 0
	for _, n := range sent {
		all += n
	}
	kept := 0
	for _, c := range refusals() {
		if c.kept {
			kept++
		}
		if n := m.sum("treble_bridge_requests_total", `outcome="`+c.problem+`"`); n == 0 {
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
		if got := m.sum(c.name, c.label); got != c.want {
			t.Errorf("%s{%s}: got %d, want %d", c.name, c.label, got, c.want)
		}
	}
}

// samples are the lines of /metrics: name with labels, and value.
type samples map[string]float64

// metrics reads /metrics.
func (p *process) metrics(t *testing.T) samples {
	t.Helper()
	m, err := scrape("http://" + p.addrs.Ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scrape reads /metrics at a URL.
func scrape(url string) (samples, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	m := samples{}
	for line := range strings.Lines(string(b)) {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: %q: %w", line, err)
		}
		m[line[:i]] = v
	}
	return m, nil
}

// sum adds the samples of a metric that carry a label, such as a="b"; -1 if
// the metric is not there at all.
func (m samples) sum(name, label string) int {
	sum, found := 0.0, false
	for sample, v := range m {
		if base, labels, _ := strings.Cut(sample, "{"); base == name {
			found = true
			if strings.Contains(labels, label) {
				sum += v
			}
		}
	}
	if !found {
		return -1
	}
	return int(sum)
}
