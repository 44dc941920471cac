package connections

import "github.com/prometheus/client_golang/prometheus"

// Metrics has the metrics of the public listener's connections.
type Metrics struct {
	dropped  *prometheus.CounterVec
	unserved *prometheus.CounterVec
}

// NewMetrics returns them with every counter at zero. Register what All returns.
func NewMetrics(namespace string) *Metrics {
	m := &Metrics{
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "connections_dropped_total",
			Help: "Connections closed because there were as many as allowed: waiting (no credential was shown on it), slow-body, idle, or new (all others were at work).",
		}, []string{"connection"}),
		unserved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_unserved_total",
			Help: "What came to the public listener and was no request that could be read, by reason; no source has seen it.",
		}, []string{"reason"}),
	}
	for _, why := range []string{droppedNew, droppedWaiting, droppedSlow, droppedIdle} {
		m.dropped.WithLabelValues(why)
	}
	for reason := range hints {
		m.unserved.WithLabelValues(reason)
	}
	return m
}

// All returns what is to be registered.
func (m *Metrics) All() []prometheus.Collector { return []prometheus.Collector{m.dropped, m.unserved} }
