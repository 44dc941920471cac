package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// leastReserve is what entries leave of the disk in any case, for marks and the
// header of a segment: without them a journal that filled its disk could not
// shrink again.
const leastReserve = 1 << 20

// refusedMaxBytes bounds the journal of refused bodies, so that a sender of rubbish
// cannot take the room of events. One that is full keeps no more of them.
const refusedMaxBytes = value.GiB

// openOutboxes recovers the journals. With "ack: stream" there is one for events only
// if the bridge ran with one before: what is pending in it was promised.
func (p *Publisher) openOutboxes(o Options) (err error) {
	if p.lock == nil {
		return nil
	}
	dir := filepath.Join(o.DataDir, datadir.Journal)
	_, statErr := os.Stat(dir)
	if p.cfg.Ack == AckJournal || !errors.Is(statErr, fs.ErrNotExist) {
		if p.events, err = outbox.Open(p.eventOutbox(o, dir)); err != nil {
			return err
		}
	}
	p.refused, err = outbox.Open(p.refusedOutbox(o, filepath.Join(o.DataDir, datadir.Refused)))
	return err
}

// eventOutbox are the options of the outbox of events.
func (p *Publisher) eventOutbox(o Options, dir string) outbox.Options {
	b := p.outboxOptions(o, dir)
	b.Name, b.MaxBytes = p.cfg.Stream, int64(o.Journal.MaxBytes)
	b.Log = p.log
	for _, k := range schema.Kinds() {
		b.Subjects = append(b.Subjects, p.prefix.Subject(k))
	}
	b.Subject = func(m broker.Message) string {
		kind := m.Header.Get(schema.HeaderKind)
		if rest, same := strings.CutPrefix(m.Subject, string(p.prefix)+"."); same && rest == kind {
			return m.Subject
		}
		if kind != "" {
			return p.prefix.Subject(schema.Kind(kind))
		}
		return m.Subject
	}
	b.Fit = shrink
	b.SetAside = func(m broker.Message, why outbox.Reason, _ error) error {
		reason := setaside.Refused
		if why == outbox.ReasonUncaptured {
			reason = setaside.Uncaptured
		}
		return p.putAside(m, reason)
	}
	b.Settled = p.metrics.settled
	b.Told = func(took time.Duration, _ int) { p.metrics.ackTime.Observe(took.Seconds()) }
	return b
}

// refusedOutbox are those of the outbox of refused bodies.
func (p *Publisher) refusedOutbox(o Options, dir string) outbox.Options {
	b := p.outboxOptions(o, dir)
	b.Name, b.MaxBytes = schema.StreamName(p.cfg.Stream).Quarantine(), min(int64(o.Journal.MaxBytes), int64(refusedMaxBytes))
	b.Log = p.log.Named("quarantine")
	for _, r := range schema.Reasons() {
		b.Subjects = append(b.Subjects, p.prefix.Quarantine(r))
	}
	b.Subject = func(m broker.Message) string {
		if reason := m.Header.Get(schema.HeaderReason); reason != "" {
			return p.prefix.Quarantine(schema.Reason(reason))
		}
		return m.Subject
	}
	b.SetAside = func(m broker.Message, _ outbox.Reason, _ error) error {
		err := p.putAside(m, setaside.Quarantine)
		if errors.Is(err, setaside.ErrFull) {
			// It is evidence, and must not hold up the bodies behind it.
			p.metrics.quarantineFailed(m.ID, err, p.log)
			return nil
		}
		return err
	}
	b.Settled = p.metrics.quarantineSettled
	return b
}

// asideTimeout bounds a write to set-aside behind an answer. One that hangs is tried again.
const asideTimeout = 10 * time.Second

func (p *Publisher) putAside(m broker.Message, reason string) error {
	ctx, cancel := context.WithTimeout(context.Background(), asideTimeout)
	defer cancel()
	return p.setAside.Put(ctx, m, reason)
}

func (p *Publisher) outboxOptions(o Options, dir string) outbox.Options {
	return outbox.Options{
		Dir: dir, FS: o.journalFS, Keys: o.Keys,
		Reserve: max(int64(o.Journal.Reserve), leastReserve), Retain: o.Journal.Retain,
		Prefix: p.cfg.SubjectPrefix, RefusedAfter: p.cfg.RefusedAfter, Verify: o.recheck,
		// Both are called after Open only, when there are streams to look at.
		Await:   func(ctx context.Context) { p.streams.AwaitChecked(ctx, firstContact) },
		Recheck: func() { p.streams.Wake() },
	}
}

// refuse keeps a body that the ingress refused. It is answered as it is, kept or not.
func (p *Publisher) refuse(ctx context.Context, m broker.Message) {
	var err error
	if p.refused != nil {
		err = p.refused.Append(ctx, []broker.Message{m})
	} else if r := p.refusals.Publish(ctx, []broker.Message{m}); r.Fate == broker.Stored {
		p.metrics.quarantineSettled(outbox.Settled{Stored: 1})
	} else {
		err = fmt.Errorf("publish it: %w", r.Err)
	}
	if err != nil {
		p.metrics.quarantineFailed(m.ID, err, p.log)
	}
}

// NoteRemoved notes that messages are removed from the streams of the bridge on purpose, by
// the names of the streams and their sequences, so that they are not taken for a
// loss and published again. It returns when that is on stable storage.
func (p *Publisher) NoteRemoved(ctx context.Context, removed map[string][]uint64) error {
	if !p.begin() {
		return errors.New("the bridge is shutting down")
	}
	defer p.inFlight.Done()
	var errs []error
	for name, b := range map[string]*outbox.Outbox{p.cfg.Stream: p.events, schema.StreamName(p.cfg.Stream).Quarantine(): p.refused} {
		if seqs := removed[name]; b != nil && len(seqs) > 0 {
			errs = append(errs, b.Forget(ctx, seqs))
		}
	}
	return errors.Join(errs...)
}
