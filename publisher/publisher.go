// Package publisher makes accepted events durable in NATS JetStream, keeps the
// bodies that were refused, and runs the embedded NATS server. It is the only
// package that knows NATS.
//
// The way of one delivery: Accept encodes its events into messages that fit
// the server (fit), then hands them to a keeper, which returns when they are
// durable. One keeper flushes them to a journal on disk, from which the pump
// publishes them in order (journalAck); the other publishes them at once and
// waits for the PubAcks (streamAck).
package publisher

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Options are what Open needs. Config and NATS must be valid, see their
// Validate methods; Open checks them again.
type Options struct {
	Config  Config
	NATS    NATSConfig
	Journal JournalConfig
	DataDir string                // journal, set-aside, lock, and the store of the embedded server
	MaxBody value.Size            // largest body the ingress takes; max_payload of the embedded server follows from it
	Log     *zap.Logger           // nil: none
	Metrics prometheus.Registerer // nil: none; one Publisher per registerer

	recheck   time.Duration                       // time between two looks at the streams, and for a loss; 0: 30 s
	journalFS journal.FS                          // nil: the operating system's
	async     func(asyncPublisher) asyncPublisher // for tests: stands in front of the client
}

// Publisher takes deliveries. Its methods may be called at the same time.
type Publisher struct {
	cfg     Config
	dataDir string
	prefix  schema.Prefix
	log     *zap.Logger
	metrics *metrics

	lock     *datadir.Lock // nil if there is no writable data_dir, which only an external NATS allows
	embedded *broker.Embedded
	conn     *broker.Conn
	stream   *broker.Stream
	batcher  *broker.Batcher
	keeper   keeper
	books    *books      // nil if there is no journal
	journal  *journalAck // nil until publishing from it began
	streams  *streamKeeper
	setAside *setaside.Store
	rejected *quarantine

	erasing  sync.Mutex // one Erase at a time
	mu       sync.Mutex // guards closing against inFlight.Add
	closing  bool
	inFlight sync.WaitGroup
}

// keeper makes messages durable, all or none, in order.
type keeper interface {
	// keep returns nil when every message is durable. Its errors are those of
	// Publisher.Accept.
	keep(ctx context.Context, msgs []broker.Message) error
}

// Open starts a publisher: it locks the data directory, starts the embedded
// server or connects to NATS, and makes sure of the streams. A NATS of your
// own that is away is no error: the publisher connects when it comes, and
// until then every Accept fails with schema.ErrUnavailable.
func Open(ctx context.Context, o Options) (_ *Publisher, err error) {
	if err := errors.Join(o.Config.Validate(), o.NATS.Validate(), o.Journal.Validate()); err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = zap.NewNop()
	}
	p := &Publisher{cfg: o.Config, dataDir: o.DataDir, prefix: schema.Prefix(o.Config.SubjectPrefix), log: log}
	defer func() {
		if err != nil {
			p.release(ctx)
		}
	}()

	if p.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := p.openDataDir(o); err != nil {
		return nil, err
	}
	if p.books, err = p.openJournal(o); err != nil {
		return nil, err
	}
	if o.NATS.URL == "" {
		p.embedded, err = broker.StartEmbedded(broker.EmbeddedOptions{
			Config:     o.NATS.Embedded,
			StoreDir:   filepath.Join(o.DataDir, datadir.NATS),
			MaxBody:    o.MaxBody,
			SyncAlways: p.cfg.Ack == AckStream,
			Log:        log.Named("nats-server"),
			Metrics:    o.Metrics,
		})
		if err != nil {
			return nil, err
		}
	}
	p.conn, err = broker.Dial(broker.Options{
		NATS:     o.NATS,
		Payload:  p.books.maxPayload(o.NATS.MaxPayload),
		Embedded: p.embedded,
		Log:      log,
		Metrics:  o.Metrics,
	})
	if err != nil {
		return nil, err
	}
	p.stream = broker.NewStream(p.conn, p.cfg.Stream, p.cfg.AckTimeout)
	p.streams = newStreamKeeper(p.conn, wantedStreams(p.cfg, p.embedded != nil, o.DataDir), p.cfg.Streams, o.recheck, p.setAside.Recount, log, p.metrics)
	p.batcher = broker.NewBatcher(p.stream)
	p.keeper = &streamAck{batcher: p.batcher, limit: p.stream.Limit, timeout: p.cfg.AckTimeout, metrics: p.metrics, doubt: p.streams.check}
	if err := p.startJournal(o); err != nil {
		return nil, err
	}
	p.rejected = newQuarantine(p.conn, p.cfg.quarantineStream(), p.cfg.AckTimeout, p.setAside, log, p.metrics)

	p.streams.start()
	p.rejected.start()
	p.streams.waitFirst(ctx, firstContact)
	return p, nil
}

// firstContact is how long Open waits for the streams, so that a publisher
// whose NATS is there is ready when Open returns.
const firstContact = 5 * time.Second

// openDataDir locks the data directory and opens the set-aside in it. Only
// the embedded server needs a directory that can be written; a bridge on a
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
	p.setAside, err = setaside.Open(o.DataDir, setaside.Limit, p.log, o.Metrics)
	return err
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

// Close refuses further deliveries, waits until those in flight are settled,
// what is pending in the journal is published (unless NATS is away) and the
// quarantine is written, closes the connection and stops the embedded
// server. When ctx ends it stops waiting: what the quarantine still held goes
// to set-aside, and the error says what was cut short. Call it once.
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
	if p.journal != nil && p.conn.Connected() {
		if err := p.journal.pump.drain(ctx); err != nil {
			p.log.Warn("not everything is published yet; the rest goes out at the next start", zap.Error(err))
		}
	}
	errs = append(errs, p.release(ctx))
	// Closing the connection ended whatever was in flight.
	<-settled
	return errors.Join(errs...)
}

// release undoes Open from the last step to the first. Every part may be nil.
func (p *Publisher) release(ctx context.Context) error {
	var errs []error
	if p.rejected != nil {
		p.rejected.close(ctx)
	}
	if p.streams != nil {
		p.streams.close()
	}
	if p.journal != nil {
		p.journal.cancel()
	}
	if p.batcher != nil {
		p.batcher.Close()
	}
	if p.conn != nil {
		p.conn.Close(ctx) // which ends a write that hangs
	}
	if p.stream != nil {
		p.stream.Wait()
	}
	if p.journal != nil {
		p.journal.wait()
	}
	if p.books != nil {
		errs = append(errs, p.books.journal.Close())
	}
	if p.embedded != nil {
		p.embedded.Stop()
	}
	if p.lock != nil {
		errs = append(errs, p.lock.Release())
	}
	return errors.Join(errs...)
}
