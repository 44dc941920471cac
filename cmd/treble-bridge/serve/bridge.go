package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/control"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Bridge is the daemon: the parts and their wiring. Call Open, Run and Close, in this order and
// once each.
type Bridge struct {
	config    *config.Config // in effect; Reload exchanges it
	level     zap.AtomicLevel
	log       *zap.Logger
	publisher *publisher.Publisher
	server    *ingress.Server
	ops       *ops.Server
	control   *control.Server // nil if data_dir can have no socket
	stopping  atomic.Bool
	// refusedReload is the reason for which the last configuration is not in effect; nil: it is.
	refusedReload atomic.Pointer[string]
	serving       sync.WaitGroup
	reloads       *reloads
	failed        chan error // of a listener that ended by itself; one slot for each
}

// Open opens every part and binds every address, so that a taken port is
// an error before the first request is served. The configuration must be
// valid. The level is that of the logger, which Reload sets.
func Open(ctx context.Context, c *config.Config, version string, log *zap.Logger, level zap.AtomicLevel) (_ *Bridge, err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(version),
	)
	b := &Bridge{config: c, level: level, log: log, failed: make(chan error, 3)}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.undo(c))
		}
	}()

	if b.reloads, err = newReloads(registry); err != nil {
		return nil, err
	}
	b.server, err = ingress.New(c.IngressInDataDir(), c.EffectiveSources(), accepter{b}, log.Named("ingress"), registry)
	if err != nil {
		return nil, err
	}
	b.ops, err = ops.New(c.Ops, b.Readiness, b.server.Credentials, registry, log)
	if err != nil {
		return nil, err
	}
	keys, err := c.Encryption.Load()
	if err != nil {
		return nil, err
	}
	b.publisher, err = publisher.Open(ctx, publisher.Options{
		Config:  c.Publisher,
		NATS:    c.NATS,
		Journal: c.Journal,
		DataDir: c.DataDir,
		Keys:    keys,
		MaxBody: c.Ingress.MaxBody,
		Log:     log.Named("publisher"),
		Metrics: registry,
		// A bridge that cannot listen must not have made streams before it says so.
		Before: func() error { return errors.Join(b.server.Listen(), b.ops.Listen()) },
	})
	if err != nil {
		return nil, err
	}
	b.openControl(c)
	return b, nil
}

// buildInfo is the metric that tells which version runs.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "treble_bridge_build_info",
		Help:        "1, with the version as labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	g.Set(1)
	return g
}

// accepter is the publisher, which there is before the first request is served.
type accepter struct{ b *Bridge }

func (a accepter) Accept(ctx context.Context, d delivery.Delivery) error {
	return a.b.publisher.Accept(ctx, d)
}

// openControl serves the commands of this host, if data_dir can hold a socket. A
// bridge without a socket keeps its promise all the same.
func (b *Bridge) openControl(c *config.Config) {
	mux := http.NewServeMux()
	mux.Handle("POST "+forget.Path, forget.Handler(b.publisher, c.Journal.Retain, b.log))
	var err error
	if b.control, err = control.Listen(c.DataDir, mux); err != nil {
		b.control = nil
		b.log.Warn("no control socket in data_dir: stop the bridge before treble-bridge forget", zap.Error(err))
	}
}

// undo closes the parts that a failed Open has opened.
func (b *Bridge) undo(c *config.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	return b.Close(ctx)
}

// Addrs returns the addresses really bound.
func (b *Bridge) Addrs() cli.Addrs {
	return cli.Addrs{
		Ingress: b.server.Addr().String(),
		Ops:     b.ops.Addr().String(),
		NATS:    b.publisher.NATSAddr(),
	}
}

// Announce writes the addresses to addr.json in data_dir and to
// file if it is not "", and logs them and the promise that applies.
func (b *Bridge) Announce(c *config.Config, file string) error {
	a := b.Addrs()
	if err := a.Write(filepath.Join(c.DataDir, datadir.Addrs)); err != nil {
		// A host without a disk is fine with a NATS of its own; then the
		// client commands need to be told the addresses.
		if c.NATS.URL == "" {
			return fmt.Errorf("data_dir: write %s: %w", datadir.Addrs, err)
		}
		b.log.Warn("addresses are not written", zap.Error(err))
	}
	if file != "" {
		if err := a.Write(file); err != nil {
			return fmt.Errorf("write addresses: %w", err)
		}
	}
	b.log.Info("listening", zap.String("ingress", a.Ingress), zap.String("ops", a.Ops), zap.String("nats", a.NATS))
	b.log.Info("promise", zap.String("ack", c.Publisher.Ack), zap.String("2xx_means", promise(c)))
	return nil
}

// promise says in one sentence what a 2xx means with this configuration.
func promise(c *config.Config) string {
	if c.Publisher.Ack == publisher.AckJournal {
		return "flushed to the journal in data_dir; it will be in the stream, also after kill -9, power loss and hours without NATS"
	}
	if c.NATS.URL == "" {
		return "stored by the embedded JetStream, which flushes every event to disk before it acknowledges"
	}
	return "acknowledged by your JetStream; power loss is covered only by its sync_interval: always, or by replicas that do not fail together"
}

// Run serves until ctx ends or a listener fails, and returns that failure. The
// requests in work go on: Close waits for them.
func (b *Bridge) Run(ctx context.Context) error {
	serves := []func() error{b.server.Serve, b.ops.Serve}
	if b.control != nil {
		serves = append(serves, b.control.Serve)
	}
	for _, serve := range serves {
		b.serving.Go(func() {
			if err := serve(); err != nil {
				b.failed <- err
			}
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-b.failed:
		return err
	}
}

// Close shuts down in the order that loses nothing. The context is its
// deadline and must be a fresh one: the one that ended Run would cut off all
// that is waited for here. Parts that were never opened are skipped.
func (b *Bridge) Close(ctx context.Context) error {
	// First of all, so that a balancer that asks now sends no more requests.
	b.stopping.Store(true)
	var errs []error
	if b.server != nil {
		// Then no new requests. Those in work still need the publisher for
		// their answer, so it comes after.
		errs = append(errs, b.server.Shutdown(ctx))
	}
	if b.publisher != nil {
		errs = append(errs, b.publisher.Close(ctx))
	}
	if b.control != nil {
		// A command that waits for it has its answer: the publisher is closed.
		errs = append(errs, b.control.Shutdown(ctx))
	}
	if b.ops != nil {
		// Last, so that the shutdown itself can be watched.
		errs = append(errs, b.ops.Shutdown(ctx))
	}
	b.serving.Wait()
	return errors.Join(errs...)
}

// Readiness is the answer of /readyz.
func (b *Bridge) Readiness() ops.Readiness {
	if b.stopping.Load() {
		return ops.Readiness{Status: ops.Unready, Reasons: []string{"shutting down"}}
	}
	s := b.publisher.Status()
	switch {
	case !s.Ready:
		return b.withReload(readiness(ops.Unready, s.Reasons))
	case s.Degraded:
		return b.withReload(readiness(ops.Degraded, s.Reasons))
	}
	return b.withReload(ops.Readiness{Status: ops.Ready})
}

// readiness says why the publisher is not ready.
func readiness(status string, reasons []publisher.Reason) ops.Readiness {
	r := ops.Readiness{Status: status}
	for _, reason := range reasons {
		d := ops.Detail{Text: reason.Text, Fix: reason.Fix, FixIn: reason.FixIn}
		if d.Fix == "" && reason.See != "" {
			d.Fix, d.FixIn = reason.See, streams.InShell
		}
		r.Reasons, r.Details = append(r.Reasons, reason.String()), append(r.Details, d)
	}
	return r
}
