package publisher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// leastReserve is the free space that entries always leave on the disk, for marks and the
// header of a segment: without them a journal that filled its disk could not
// shrink again.
const leastReserve = 1 << 20

// openOutboxes recovers the journals. With "ack: stream" there is one for events only
// if the bridge ran with one before: what is pending in it was promised.
func (p *Publisher) openOutboxes(o Options) (err error) {
	w := quarantine.WriterOptions{Events: p.streamName, Prefix: p.prefix, SetAside: p.setAside, Log: p.log, Metrics: o.Metrics}
	if p.lock != nil {
		dir := filepath.Join(o.DataDir, datadir.Journal)
		_, statErr := os.Stat(dir)
		if p.cfg.Ack == AckJournal || !errors.Is(statErr, fs.ErrNotExist) {
			if p.events, err = outbox.Open(p.eventOutbox(o, dir)); err != nil {
				return err
			}
		}
		refused := p.outboxOptions(o, filepath.Join(o.DataDir, datadir.Refused))
		w.Journal = &refused
	}
	p.quarantine, err = quarantine.OpenWriter(w)
	if err != nil {
		return err
	}
	p.openShares(int64(o.Journal.MaxBytes))
	if o.NATS.URL == "" {
		all := p.outboxes()
		p.besideStore.Store(&all)
	}
	return nil
}

// openShares divides the bounded places among sources.
func (p *Publisher) openShares(journalBytes int64) {
	of := func(b *outbox.Outbox, limit int64) *shares {
		return &shares{limit: limit, left: func(total usage) float64 { return float64(b.Account().Pending) / max(total.events, 1) }}
	}
	if p.events != nil && p.cfg.Ack == AckJournal {
		p.shares.events = of(p.events, journalBytes)
	}
	if b := p.quarantine.Journal(); b != nil {
		p.shares.refused = of(b, min(journalBytes, quarantine.MaxJournalBytes))
	}
	if p.setAside != nil {
		p.shares.setAside = &shares{limit: p.setAside.LimitForSources(), left: func(total usage) float64 { return float64(p.setAside.Used()) / max(total.bytes, 1) }}
	}
}

// eventOutbox are the options of the outbox of events.
func (p *Publisher) eventOutbox(o Options, dir string) outbox.Options {
	b := p.outboxOptions(o, dir)
	b.Name, b.Log = string(p.streamName), p.log
	for _, k := range schema.Kinds() {
		b.Subjects = append(b.Subjects, p.prefix.Subject(k))
	}
	b.Fit = shrink
	b.SetAside = func(m broker.Message, why outbox.Reason, _ error) error {
		reason := setaside.Refused
		if why == outbox.ReasonUncaptured {
			reason = setaside.Uncaptured
		}
		return p.setAside.Keep(m, reason)
	}
	b.OnSettled = p.metrics.countOutcomes
	b.OnPublished = func(took time.Duration, _ int) { p.metrics.ackTime.Observe(took.Seconds()) }
	return b
}

// outboxOptions are those that all outboxes of the bridge have.
func (p *Publisher) outboxOptions(o Options, dir string) outbox.Options {
	return outbox.Options{
		Dir: dir, FS: o.journalFS, Keys: o.Keys, MaxBytes: int64(o.Journal.MaxBytes),
		Reserve: max(int64(o.Journal.Reserve), leastReserve), Beside: p.besideJournals, Retain: o.Journal.Retain,
		Prefix: p.cfg.SubjectPrefix, RefusedAfter: p.cfg.RefusedAfter, Verify: o.checkEvery,
		Subject: func(m broker.Message) string { return setaside.SubjectUnder(p.prefix, m) },
		// Both are called after Open only, when there are streams to check.
		AwaitStreamsChecked: func(ctx context.Context) { p.streams.AwaitChecked(ctx, firstContact) },
		RecheckStreams:      func() { p.streams.Wake() },
	}
}

// besideJournals returns the bytes that the store of the embedded server will take of the journals' disk for
// what is pending. Without that room the journal fills the disk with events that can never leave it.
func (p *Publisher) besideJournals() int64 {
	var pending int64
	if besideStore := p.besideStore.Load(); besideStore != nil {
		for _, b := range *besideStore {
			pending += b.PendingBytes()
		}
	}
	return pending * storedAs / 100
}

// storedAs is the percentage of its size in the journal that an event takes in the store of a server, at
// most: a message has its subject and a checksum with it, and a batch is staged before it is stored.
const storedAs = 125

// NoteRemoved notes that messages are removed from the streams of the bridge on purpose, by
// the names of the streams and their sequences, so that they are not taken for a
// loss and published again. It returns when that is on stable storage.
func (p *Publisher) NoteRemoved(ctx context.Context, removed map[string][]uint64) error {
	if !p.begin() {
		return errors.New("the bridge is shutting down")
	}
	defer p.inFlight.Done()
	var errs []error
	for name, b := range map[string]*outbox.Outbox{string(p.streamName): p.events, p.streamName.Quarantine(): p.quarantine.Journal()} {
		if seqs := removed[name]; b != nil && len(seqs) > 0 {
			errs = append(errs, b.Forget(ctx, seqs))
		}
	}
	return errors.Join(errs...)
}
