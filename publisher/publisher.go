// Package publisher makes accepted events durable in NATS JetStream, keeps the
// bodies that were refused, and runs the embedded NATS server.
//
// The way of one delivery: Accept encodes its events into messages that fit
// the server, then hands them to the ack mode, which returns when they are
// durable: journalAck when they are flushed to the outbox, from which they are
// published in order; streamAck when JetStream has acknowledged them.
package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/batcher"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Options are the dependencies of Open. Config and NATS must be valid, see their
// Validate methods; Open checks them again.
type Options struct {
	Config  Config
	NATS    NATSConfig
	Journal JournalConfig
	DataDir string                // journals, set-aside, lock, and the store of the embedded server
	Keys    *atrest.Keys          // encrypt what is kept in DataDir; nil: it is not encrypted
	MaxBody value.Size            // largest body the ingress takes; max_payload of the embedded server follows from it
	Log     *zap.Logger           // nil: none
	Metrics prometheus.Registerer // nil: none; one Publisher per registerer
	// Before is called when data_dir is held and read, before NATS is asked for anything; its
	// error ends Open. nil: not called.
	Before func() error

	checkEvery time.Duration                     // time between two checks of the streams, and for a loss; 0: 30 s
	journalFS  journal.FS                        // nil: the operating system's
	stream     func(outbox.Stream) outbox.Stream // for tests: stands in front of the event stream
}

// Publisher takes deliveries. Its methods may be called at the same time.
type Publisher struct {
	cfg        Config
	dataDir    string
	prefix     schema.Prefix
	streamName schema.StreamName // of the event stream, from which those of the others derive
	log        *zap.Logger
	metrics    *metrics

	lock       *datadir.Lock // nil if there is no writable data_dir, which only an external NATS allows
	setAside   *setaside.Store
	events     *outbox.Outbox // nil with "ack: stream" where there never was a journal
	quarantine *quarantine.Writer
	embedded   *embedded.Server
	conn       *broker.Conn
	stream     *broker.Stream   // of the events
	refusals   *broker.Stream   // that of the quarantine
	batcher    *batcher.Batcher // nil with "ack: journal"
	streams    *streams.Monitor
	ack        ackMode
	shares     struct{ events, refused, setAside *shares } // of each source; nil: of what is not there

	// besideStore are the outboxes, if the embedded server has its store on their disk; see besideJournals.
	besideStore atomic.Pointer[[]*outbox.Outbox]

	mu       sync.Mutex // guards closing against inFlight.Add
	closing  bool
	inFlight sync.WaitGroup
}

// ackMode makes messages durable, all or none, in order.
type ackMode interface {
	// keep returns nil when every message is durable. Its errors are those of
	// Publisher.Accept.
	keep(ctx context.Context, msgs []broker.Message) error
}

// firstContact bounds the time that Open waits for the streams, so that a publisher
// whose NATS is there is ready when Open returns.
const firstContact = 5 * time.Second

// Open starts a publisher: it locks the data directory, recovers the journals, starts
// the embedded server or connects to NATS, and makes sure of the streams. A NATS of
// your own that is away is no error: events wait in the journal until it comes; with
// "ack: stream" every Accept fails with delivery.ErrUnavailable until then.
func Open(ctx context.Context, o Options) (_ *Publisher, err error) {
	if err := errors.Join(o.Config.Validate(), o.NATS.Validate(), o.Journal.Validate()); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	p := &Publisher{cfg: o.Config, dataDir: o.DataDir, prefix: schema.Prefix(o.Config.SubjectPrefix), streamName: schema.StreamName(o.Config.Stream), log: o.Log, metrics: newMetrics(o.Metrics)}
	defer func() {
		if err != nil {
			_ = p.release(ctx) // the error that counts is the first one
		}
	}()
	if err := p.openDataDir(o); err != nil {
		return nil, err
	}
	if o.Before != nil {
		if err := o.Before(); err != nil {
			return nil, err
		}
	}
	if err := p.connect(o); err != nil {
		return nil, err
	}
	embeddedIn := ""
	if p.embedded != nil {
		embeddedIn = o.DataDir
	}
	p.streams = streams.NewMonitor(p.conn, p.cfg.Spec(embeddedIn), o.checkEvery, p.setAside.Recount, o.Log, o.Metrics)
	switch p.cfg.Ack {
	case AckJournal:
		p.ack = &journalAck{outbox: p.events}
	case AckStream:
		p.batcher = batcher.New(p.stream)
		p.ack = newStreamAck(p)
	}
	if p.events != nil {
		registerGauges(o.Metrics, p.events)
	}
	p.start(o)
	p.streams.AwaitChecked(ctx, firstContact)
	return p, nil
}

// openDataDir locks the data directory and opens what is kept in it. Only
// the embedded server and a journal need a directory that can be written; a bridge on a
// host without a disk goes on without, and says so.
func (p *Publisher) openDataDir(o Options) error {
	lock, err := datadir.Acquire(o.DataDir)
	var busy *datadir.LockedError
	switch {
	case errors.As(err, &busy), err != nil && (o.NATS.URL == "" || p.cfg.Ack == AckJournal):
		return fmt.Errorf("data_dir: %w", err)
	case err != nil:
		p.log.Warn("data_dir cannot be written: an event that is too large for NATS will not be kept", zap.Error(err))
	}
	p.lock = lock
	p.setAside = setaside.Open(o.DataDir, setaside.Limit, o.Keys, p.log, o.Metrics)
	return p.openOutboxes(o)
}

// connect starts the embedded server, or not, and the connection.
func (p *Publisher) connect(o Options) (err error) {
	if o.NATS.URL == "" {
		if o.NATS, err = o.NATS.EnsureToken(o.DataDir); err != nil {
			return err
		}
		storeKey, err := atrest.StoreKey(o.DataDir, o.Keys)
		if err != nil {
			return err
		}
		p.embedded, err = embedded.Start(embedded.Options{
			Config:     o.NATS.Embedded,
			StoreDir:   filepath.Join(o.DataDir, datadir.NATS),
			StoreKey:   storeKey,
			MaxBody:    o.MaxBody,
			SyncAlways: p.cfg.Ack == AckStream,
			Log:        p.log.Named("nats-server"),
			Metrics:    o.Metrics,
		})
		if err != nil {
			return err
		}
	}
	payload := int64(o.NATS.MaxPayload)
	if p.events != nil && p.events.Limit() > 0 {
		payload = p.events.Limit()
	}
	p.conn, err = broker.Dial(broker.Options{
		NATS: o.NATS, Payload: payload, Embedded: p.embedded, Log: p.log, Metrics: o.Metrics,
	})
	if err != nil {
		return err
	}
	p.stream = broker.NewStream(p.conn, string(p.streamName), p.cfg.AckTimeout)
	p.refusals = broker.NewStream(p.conn, p.streamName.Quarantine(), p.cfg.AckTimeout)
	p.stream.NoBatches, p.refusals.NoBatches = !p.cfg.Batches, !p.cfg.Batches
	return nil
}

// start begins to publish.
func (p *Publisher) start(o Options) {
	p.streams.Start()
	if p.events != nil {
		var stream outbox.Stream = p.stream
		if o.stream != nil {
			stream = o.stream(stream)
		}
		p.events.Start(stream)
	}
	p.quarantine.Start(p.refusals)
}

// begin registers work that Close waits for, unless Close was called.
func (p *Publisher) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return false
	}
	p.inFlight.Add(1)
	return true
}

// NATSAddr returns host:port of the embedded server, or "" if there is none.
func (p *Publisher) NATSAddr() string {
	if p.embedded == nil {
		return ""
	}
	return p.embedded.Addr()
}

// UseCertificate makes a certificate the one that the embedded server shows to connections that come
// from now on. Without an embedded server that was opened with TLS it does nothing.
func (p *Publisher) UseCertificate(c *tls.Certificate) {
	if p.embedded != nil {
		p.embedded.UseCertificate(c)
	}
}

// Close refuses further deliveries, waits until those in flight are settled and
// what is pending in the journals is published (unless NATS is away), closes the
// connection and stops the embedded server. When ctx ends it stops waiting; what was
// not published is, after the next Open. Call it once.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()

	var errs []error
	settled := make(chan struct{})
	go func() {
		p.inFlight.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("wait for publishes in flight: %w", ctx.Err()))
	}
	for _, b := range p.outboxes() {
		if !p.conn.Connected() {
			break
		}
		if err := b.Drain(ctx); err != nil {
			p.log.Warn("not everything is published yet; the rest goes out at the next start", zap.Error(err))
		}
	}
	errs = append(errs, p.release(ctx))
	// Closing the connection ended whatever was in flight.
	<-settled
	return errors.Join(errs...)
}

func (p *Publisher) outboxes() (all []*outbox.Outbox) {
	if p.events != nil {
		all = append(all, p.events)
	}
	if p.quarantine != nil && p.quarantine.Journal() != nil {
		all = append(all, p.quarantine.Journal())
	}
	return all
}

// release undoes Open from the last step to the first. Every part may be nil.
func (p *Publisher) release(ctx context.Context) error {
	var errs []error
	if p.streams != nil {
		p.streams.Close()
	}
	for _, b := range p.outboxes() {
		b.Stop()
	}
	if p.batcher != nil {
		p.batcher.Close()
	}
	if p.conn != nil {
		p.conn.Close(ctx) // which ends a write that hangs
	}
	for _, s := range []*broker.Stream{p.stream, p.refusals} {
		if s != nil {
			s.Wait()
		}
	}
	for _, b := range p.outboxes() {
		errs = append(errs, b.Close())
	}
	if p.embedded != nil {
		p.embedded.Stop()
	}
	if p.lock != nil {
		errs = append(errs, p.lock.Release())
	}
	return errors.Join(errs...)
}
