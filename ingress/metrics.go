package ingress

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/schema"
)

// metrics has the metrics of a server. Their labels are bounded: names of sources
// and credentials come from the configuration, kinds and outcomes from the
// code.
type metrics struct {
	requests        *prometheus.CounterVec
	authentications *prometheus.CounterVec
	lastUsed        *prometheus.GaugeVec
	accept          *prometheus.HistogramVec
	lastEvent       *prometheus.GaugeVec
	inFlight        prometheus.Gauge
	forgiven        *prometheus.CounterVec
	connections     *connections.Metrics
}

const namespace = "treble_bridge"

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_total",
			Help: "Requests by source (none: unknown path), kind (none, several) and outcome (accepted, or the name of the problem).",
		}, []string{"source", "kind", "outcome"}),
		authentications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "authentications_total",
			Help: "Requests let in, by source and credential (its name, or scheme and position in the configuration), to see when an old secret is no longer used. A request counts for each scheme that it satisfies.",
		}, []string{"source", "credential"}),
		lastUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "credential_last_used_timestamp_seconds",
			Help: "When a sender last used a credential, by source and credential; 0: not since the start of the bridge. Tests, deliveries that are brought in again and the probe of doctor do not count.",
		}, []string{"source", "credential"}),
		accept: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "accept_seconds",
			Help: "Time from the parsed body to the decision, for deliveries with events.",
			// Up to Treble's 5 s, fine where a journal or a PubAck falls.
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 4, 5, 10},
		}, []string{"source"}),
		lastEvent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "last_event_timestamp_seconds",
			Help: "When the last accepted event of the source was received, test runs left out; before the first one, when the bridge was started.",
		}, []string{"source"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "requests_in_flight",
			Help: "Requests whose body is read and that are not answered yet; ingress.max_in_flight is their limit.",
		}),
		forgiven: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_forgiven_total",
			Help: "Accepted requests with a slip, by source and slip: path (slashes, blanks at the end), content-type, content-encoding.",
		}, []string{"source", "slip"}),
		connections: connections.NewMetrics(namespace),
	}
}

// slips are the values of that label.
var slips = []string{slipPath, string(schema.ReasonContentType), string(schema.ReasonContentEncoding)}

// begin makes the counters of a source that nothing has been counted in: an alarm on a
// rise would miss the first event.
func (m *metrics) begin(source string) {
	for _, slip := range slips {
		m.forgiven.WithLabelValues(source, slip)
	}
}

// register registers all metrics or none.
func (m *metrics) register(reg prometheus.Registerer, more ...prometheus.Collector) error {
	all := append(m.connections.All(), m.requests, m.authentications, m.lastUsed, m.accept, m.lastEvent, m.inFlight, m.forgiven)
	all = append(all, more...)
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			for _, done := range all[:i] {
				reg.Unregister(done)
			}
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
