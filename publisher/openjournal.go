package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// books are the journal and what is known of its entries, before anything is
// published from it. They may be nil.
type books struct {
	journal *journal.Journal
	ledger  *ledger
}

// inFlight is how many messages the pump has on their way at once.
const inFlight = 512

// leastReserve is what entries leave of the disk in any case, for marks and the
// header of a segment: without them a journal that filled its disk could not
// shrink again.
const leastReserve = 1 << 20

// openJournal recovers the journal. With "ack: stream" there is one only if the
// bridge ran with a journal before: what is pending in it was promised.
func (p *Publisher) openJournal(o Options) (*books, error) {
	dir := filepath.Join(o.DataDir, datadir.Journal)
	if p.cfg.Ack == AckStream {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || p.lock == nil {
			return nil, nil
		}
	}
	l := &ledger{}
	j, err := journal.Open(dir, journal.Options{
		FS:         o.journalFS,
		MaxBytes:   int64(o.Journal.MaxBytes),
		Reserve:    max(int64(o.Journal.Reserve), leastReserve),
		Checkpoint: l.checkpoint,
		Kept:       l.kept,
		Log:        p.log.Named("journal"),
	}, l.recover)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	l.recovered(j.Stats().First)
	return &books{journal: j, ledger: l}, nil
}

// maxPayload is the server's limit when it was last seen, else the configured.
func (b *books) maxPayload(configured value.Size) int64 {
	if b != nil {
		if last := b.ledger.now().MaxPayload; last > 0 {
			return last
		}
	}
	return int64(configured)
}

// startJournal starts publishing from the journal, and makes it the keeper if
// it is configured to be.
func (p *Publisher) startJournal(o Options) error {
	b := p.books
	if b == nil {
		return nil
	}
	js, err := jetstream.New(p.conn.NATS(),
		jetstream.WithPublishAsyncMaxPending(4*inFlight),
		jetstream.WithPublishAsyncTimeout(2*p.cfg.AckTimeout)) // the client forgets it then; we no longer wait
	if err != nil {
		return fmt.Errorf("use jetstream: %w", err)
	}
	var async asyncPublisher = js
	if o.async != nil {
		async = o.async(js)
	}
	every := o.recheck
	if every == 0 {
		every = recheckEvery
	}
	pm := &pump{
		conn: p.conn, js: async, journal: b.journal, ledger: b.ledger, setAside: p.setAside,
		metrics: p.metrics, log: p.log, look: p.streams.check,
		looked: func(ctx context.Context) { p.streams.waitFirst(ctx, firstContact) },
		cfg: pumpConfig{
			stream: p.cfg.Stream, ackTimeout: p.cfg.AckTimeout, verify: every, inFlight: inFlight,
		},
		clock: &retainClock{restarted: b.ledger.restartClock},
		sent:  b.journal.Stats().Last,
		pause: pumpFirstPause,
		turns: make(chan struct{}, 1),
		holds: make(chan struct{}, 1),
	}
	k := &journalAck{
		journal: b.journal, ledger: b.ledger, pump: pm, conn: p.conn,
		retain: o.Journal.Retain, log: p.log,
	}
	p.journal = k
	if p.cfg.Ack == AckJournal {
		p.keeper = k
	}
	k.start()
	return k.register(o.Metrics)
}

// register adds the metrics that are read off the journal and the ledger.
func (k *journalAck) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	var errs []error
	gauge := func(name, help string, read func() float64) {
		errs = append(errs, reg.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "treble_bridge_" + name, Help: help}, read)))
	}
	account := func(read func(Account) int64) func() float64 {
		return func() float64 { return float64(read(k.ledger.account())) }
	}
	gauge("accepted_events", "Events accepted into the journal over its life.", account(func(a Account) int64 { return a.Accepted }))
	gauge("stored_events", "Of the accepted events, those that JetStream stored.", account(func(a Account) int64 { return a.Stored }))
	gauge("duplicate_events", "Of the accepted events, those that JetStream had stored before.", account(func(a Account) int64 { return a.Duplicate }))
	gauge("set_aside_events", "Of the accepted events, those that JetStream refused for good.", account(func(a Account) int64 { return a.SetAside }))
	gauge("pending_events", "Of the accepted events, those not settled yet.", account(func(a Account) int64 { return a.Pending }))
	gauge("unaccounted_events", "Accepted events that none of the others counts; must be 0.", account(func(a Account) int64 { return a.Unaccounted }))
	gauge("retained_entries", "Settled entries kept to heal what JetStream loses.", account(func(a Account) int64 { return a.Retained }))
	stats := func(read func(journal.Stats) float64) func() float64 {
		return func() float64 { return read(k.journal.Stats()) }
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
