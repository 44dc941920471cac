package publisher

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// metrics are the numbers of the events.
type metrics struct {
	stored, duplicates prometheus.Counter
	failures           *prometheus.CounterVec // outcome
	ackTime            prometheus.Histogram
	healed             prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: "treble_bridge_" + name, Help: help})
	}
	m := &metrics{
		stored:     counter("published_total", "Events stored by JetStream, duplicates not included."),
		duplicates: counter("publish_duplicates_total", "Events that JetStream had stored before."),
		failures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "treble_bridge_publish_failures_total",
			Help: "Deliveries that were not accepted, by outcome: unavailable, outcome_unknown, too_large, internal.",
		}, []string{"outcome"}),
		ackTime: auto.NewHistogram(prometheus.HistogramOpts{
			Name:    "treble_bridge_publish_ack_seconds",
			Help:    "Time from sending a delivery's first event to the PubAck of its last.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5},
		}),
		healed: counter("healed_total", "Events published again after JetStream had lost them."),
	}
	for _, outcome := range []string{"unavailable", "outcome_unknown", "too_large", "internal"} {
		m.failures.WithLabelValues(outcome)
	}
	return m
}

// registerGauges adds the metrics that are read off the outbox of the events.
func registerGauges(reg prometheus.Registerer, events *outbox.Outbox) {
	gauge := func(name, help string, read func() float64) {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "treble_bridge_" + name, Help: help}, read)
	}
	account := func(name, help string, read func(ledger.Account) int64) {
		gauge(name, help, func() float64 { return float64(read(events.Account())) })
	}
	account("accepted_events", "Events accepted into the journal over its life.", func(a ledger.Account) int64 { return a.Accepted })
	account("stored_events", "Of the accepted events, those that JetStream stored.", func(a ledger.Account) int64 { return a.Stored })
	account("duplicate_events", "Of the accepted events, those that JetStream had stored before.", func(a ledger.Account) int64 { return a.Duplicate })
	account("set_aside_events", "Of the accepted events, those that JetStream refused for good.", func(a ledger.Account) int64 { return a.SetAside })
	account("pending_events", "Of the accepted events, those not settled yet.", func(a ledger.Account) int64 { return a.Pending })
	account("unaccounted_events", "Accepted events that none of the others counts; must be 0.", func(a ledger.Account) int64 { return a.Unaccounted })
	account("retained_entries", "Settled entries kept to heal what JetStream loses.", func(a ledger.Account) int64 { return a.Retained })
	stats := func(name, help string, read func(journal.Stats) float64) {
		gauge(name, help, func() float64 { return read(events.Stats()) })
	}
	stats("journal_bytes", "Size of the journal.", func(s journal.Stats) float64 { return float64(s.Bytes) })
	stats("journal_segments", "Files of the journal.", func(s journal.Stats) float64 { return float64(s.Segments) })
	stats("journal_damaged", "Places of the journal where damage was found.", func(s journal.Stats) float64 { return float64(s.Damaged) })
	stats("journal_failing", "1 if the newest attempt to write to the journal did not work.", func(s journal.Stats) float64 {
		if s.Fault != nil {
			return 1
		}
		return 0
	})
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

// failed counts a delivery that was not accepted.
func (m *metrics) failed(err error) {
	outcome := "internal"
	switch {
	case errors.Is(err, delivery.ErrUnavailable):
		outcome = "unavailable"
	case errors.Is(err, delivery.ErrOutcomeUnknown), errors.Is(err, delivery.ErrNoAnswer):
		outcome = "outcome_unknown"
	case errors.Is(err, delivery.ErrTooLarge):
		outcome = "too_large"
	}
	m.failures.WithLabelValues(outcome).Inc()
}
