package publisher

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// metrics are the numbers of the events.
type metrics struct {
	stored, duplicates prometheus.Counter
	failures           *prometheus.CounterVec // outcome
	ackTime            prometheus.Histogram
	healed             prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "treble_bridge_" + name, Help: help})
	}
	m := &metrics{
		stored:     counter("published_total", "Events stored by JetStream, duplicates not included."),
		duplicates: counter("publish_duplicates_total", "Events that JetStream had stored before."),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "treble_bridge_publish_failures_total",
			Help: "Deliveries that were not accepted, by outcome: unavailable, outcome_unknown, too_large, internal.",
		}, []string{"outcome"}),
		ackTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "treble_bridge_publish_ack_seconds",
			Help:    "Time from sending a delivery's first event to the PubAck of its last.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5},
		}),
		healed: counter("healed_total", "Events published again after JetStream had lost them."),
	}
	for _, outcome := range []string{"unavailable", "outcome_unknown", "too_large", "internal"} {
		m.failures.WithLabelValues(outcome)
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.stored, m.duplicates, m.failures, m.ackTime, m.healed,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// published counts the events of a delivery that is stored, and how long that took.
func (m *metrics) published(stored, duplicates int, took time.Duration) {
	m.stored.Add(float64(stored))
	m.duplicates.Add(float64(duplicates))
	m.ackTime.Observe(took.Seconds())
}

// countOutcomes counts what became of an entry of the journal.
func (m *metrics) countOutcomes(s outbox.Outcomes) {
	m.stored.Add(float64(s.Stored))
	m.duplicates.Add(float64(s.Duplicate))
	m.healed.Add(float64(s.Healed))
}

// failed counts a delivery that was not accepted; nil is one that was.
func (m *metrics) failed(err error) {
	switch {
	case err == nil:
	case errors.Is(err, delivery.ErrUnavailable):
		m.failures.WithLabelValues("unavailable").Inc()
	case errors.Is(err, delivery.ErrOutcomeUnknown), errors.Is(err, delivery.ErrNoAnswer):
		m.failures.WithLabelValues("outcome_unknown").Inc()
	case errors.Is(err, delivery.ErrTooLarge):
		m.failures.WithLabelValues("too_large").Inc()
	default:
		m.failures.WithLabelValues("internal").Inc()
	}
}
