package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Samples are the lines of /metrics: name with labels, and value.
type Samples map[string]float64

// Metrics reads /metrics.
func (p *Process) Metrics(t *testing.T) Samples {
	t.Helper()
	m, err := Scrape("http://" + p.Addrs.Ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Scrape reads /metrics at a URL.
func Scrape(url string) (Samples, error) {
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
	m := Samples{}
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

// Sum adds the samples of a metric that carry a label, such as a="b"; -1 if
// the metric is not there at all.
func (m Samples) Sum(name, label string) int {
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
