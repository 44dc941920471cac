package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Samples are the values of /metrics by name, with the labels if there are any, such as
// treble_bridge_requests_total{outcome="accepted", source="default"}.
type Samples map[string]float64

// Metrics reads /metrics.
func (p *Process) Metrics(t *testing.T) Samples {
	t.Helper()
	m, err := Scrape(p.OpsURL("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Scrape reads the samples of /metrics at a URL.
func Scrape(url string) (Samples, error) {
	families, err := Families(url)
	if err != nil {
		return nil, err
	}
	vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, families...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	m := Samples{}
	for _, s := range vector {
		m[s.Metric.String()] = float64(s.Value)
	}
	return m, nil
}

// Families reads the metrics of /metrics at a URL, each with its type, its help and its samples.
func Families(url string) ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tryLimit)
	defer cancel()
	r, err := Get(ctx, url)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return slices.Collect(maps.Values(families)), nil
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
