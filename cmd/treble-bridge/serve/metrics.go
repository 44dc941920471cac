package serve

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// buildInfo is the metric that tells which version runs.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "treble_bridge_build_info",
		Help:        "1, with the version as labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	g.Set(1)
	return g
}
