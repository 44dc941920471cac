package quarantine

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// MaxJournalBytes bounds the journal of refused bodies, so that a sender of rubbish
// cannot take the room of events. One that is full keeps no more of them.
const MaxJournalBytes = int64(value.GiB)

// WriterOptions are the dependencies of OpenWriter.
type WriterOptions struct {
	Events   schema.StreamName // of the bridge
	Prefix   schema.Prefix     // of its subjects
	SetAside *setaside.Store
	// Journal has the options of the outbox that a bridge gives to each of its own; the writer
	// adds those of the quarantine. nil: there is no data directory.
	Journal *outbox.Options
	Log     *zap.Logger
	Metrics prometheus.Registerer // nil: none
}

// Writer keeps refused bodies: in a journal of their own, from which they go to the quarantine in
// order, or without a data directory in the quarantine at once. Its methods may be called at the
// same time.
type Writer struct {
	prefix   schema.Prefix
	journal  *outbox.Outbox // nil without a data directory
	stream   *broker.Stream
	setAside *setaside.Store
	log      *zap.Logger
	outcomes *prometheus.CounterVec
}

// The values of the label outcome of treble_bridge_quarantine_total. Always:
// added to the quarantine = stored + set_aside + failed + pending.
const (
	outcomeStored   = "stored"
	outcomeSetAside = "set_aside"
	outcomeFailed   = "failed"
)

// OpenWriter recovers the journal. Nothing is sent before Start.
func OpenWriter(o WriterOptions) (*Writer, error) {
	w := &Writer{prefix: o.Prefix, setAside: o.SetAside, log: o.Log}
	w.register(o.Metrics)
	if o.Journal == nil {
		return w, nil
	}
	journal := *o.Journal
	journal.Name, journal.MaxBytes = o.Events.Quarantine(), min(journal.MaxBytes, MaxJournalBytes)
	journal.Log = o.Log.Named("quarantine")
	for _, r := range schema.Reasons() {
		journal.Subjects = append(journal.Subjects, o.Prefix.Quarantine(r))
	}
	journal.SetAside, journal.OnSettled = w.putAside, w.countOutcomes
	var err error
	w.journal, err = outbox.Open(journal)
	return w, err
}

func (w *Writer) register(reg prometheus.Registerer) {
	w.outcomes = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "treble_bridge_quarantine_total",
		Help: "Refused bodies by what became of them: stored, set_aside, failed.",
	}, []string{"outcome"})
	for _, outcome := range []string{outcomeStored, outcomeSetAside, outcomeFailed} {
		w.outcomes.WithLabelValues(outcome)
	}
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "treble_bridge_quarantine_pending", Help: "Refused bodies that wait to be stored.",
	}, func() float64 {
		if w.journal == nil {
			return 0
		}
		return float64(w.journal.Account().Pending)
	})
}

// Journal is the outbox of refused bodies; nil without a data directory.
func (w *Writer) Journal() *outbox.Outbox { return w.journal }

// Start begins to store in the quarantine. Call it before Keep, once.
func (w *Writer) Start(stream *broker.Stream) {
	w.stream = stream
	if w.journal != nil {
		w.journal.Start(stream)
	}
}

// Keep keeps the body of a delivery that was refused, as far as it can before ctx ends: what could
// not be kept is counted and logged.
func (w *Writer) Keep(ctx context.Context, d delivery.Delivery) {
	m := encode(w.prefix, d)
	var err error
	if w.journal != nil {
		err = w.journal.Append(ctx, []broker.Message{m})
	} else if r := w.stream.Publish(ctx, []broker.Message{m}); r.Status == broker.Stored {
		w.countOutcomes(outbox.Outcomes{Stored: 1})
	} else {
		err = fmt.Errorf("publish it: %w", r.Err)
	}
	if err != nil {
		w.failed(m, err)
	}
}

// Lose counts and logs a body that is not kept, and why.
func (w *Writer) Lose(d delivery.Delivery, why error) { w.failed(encode(w.prefix, d), why) }

// putAside keeps a body that the quarantine does not take.
func (w *Writer) putAside(m broker.Message, _ outbox.Reason, _ error) error {
	err := w.setAside.Keep(m, setaside.Quarantine)
	if errors.Is(err, setaside.ErrFull) {
		// It is evidence, and must not hold up the bodies behind it.
		w.failed(m, err)
		return nil
	}
	return err
}

// countOutcomes counts what became of bodies.
func (w *Writer) countOutcomes(s outbox.Outcomes) {
	w.outcomes.WithLabelValues(outcomeStored).Add(float64(s.Stored + s.Duplicate))
	w.outcomes.WithLabelValues(outcomeSetAside).Add(float64(s.SetAside))
}

// failed counts a body that could not be kept.
func (w *Writer) failed(m broker.Message, err error) {
	w.outcomes.WithLabelValues(outcomeFailed).Inc()
	w.log.Error("refused body could not be kept", zap.String("id", m.ID), zap.Error(err))
}
