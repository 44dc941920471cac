package publisher

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// registerGauges adds the metrics that are read off the outboxes.
func (p *Publisher) registerGauges(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	var errs []error
	gauge := func(name, help string, read func() float64) {
		errs = append(errs, reg.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "treble_bridge_" + name, Help: help}, read)))
	}
	b := p.events
	if b == nil {
		return errors.Join(errs...)
	}
	account := func(read func(ledger.Account) int64) func() float64 {
		return func() float64 { return float64(read(b.Account())) }
	}
	gauge("accepted_events", "Events accepted into the journal over its life.", account(func(a ledger.Account) int64 { return a.Accepted }))
	gauge("stored_events", "Of the accepted events, those that JetStream stored.", account(func(a ledger.Account) int64 { return a.Stored }))
	gauge("duplicate_events", "Of the accepted events, those that JetStream had stored before.", account(func(a ledger.Account) int64 { return a.Duplicate }))
	gauge("set_aside_events", "Of the accepted events, those that JetStream refused for good.", account(func(a ledger.Account) int64 { return a.SetAside }))
	gauge("pending_events", "Of the accepted events, those not settled yet.", account(func(a ledger.Account) int64 { return a.Pending }))
	gauge("unaccounted_events", "Accepted events that none of the others counts; must be 0.", account(func(a ledger.Account) int64 { return a.Unaccounted }))
	gauge("retained_entries", "Settled entries kept to heal what JetStream loses.", account(func(a ledger.Account) int64 { return a.Retained }))
	stats := func(read func(journal.Stats) float64) func() float64 {
		return func() float64 { return read(b.Stats()) }
	}
	gauge("journal_bytes", "Size of the journal.", stats(func(s journal.Stats) float64 { return float64(s.Bytes) }))
	gauge("journal_segments", "Files of the journal.", stats(func(s journal.Stats) float64 { return float64(s.Segments) }))
	gauge("journal_damaged", "Places of the journal where damage was found.", stats(func(s journal.Stats) float64 { return float64(s.Damaged) }))
	gauge("journal_failing", "1 if the newest attempt to write to the journal did not work.", stats(func(s journal.Stats) float64 {
		if s.Fault != nil {
			return 1
		}
		return 0
	}))
	return errors.Join(errs...)
}
