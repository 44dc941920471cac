package serve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// reloads has the metrics of the last reload: its result and its time.
type reloads struct{ successful, at prometheus.Gauge }

func newReloads(reg prometheus.Registerer) (*reloads, error) {
	r := &reloads{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "treble_bridge_config_last_reload_successful",
			Help: "1 if the configuration that was read last is in effect, 0 if it was refused.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "treble_bridge_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in effect was read.",
		}),
	}
	r.done()
	return r, errors.Join(reg.Register(r.successful), reg.Register(r.at))
}

func (r *reloads) done() {
	r.successful.Set(1)
	r.at.Set(float64(time.Now().UnixMilli()) / 1000)
}

// Reload reads the configuration again, its files too, and takes over what counts without a
// restart: all of it or, with an error, nothing. Requests in work are not touched, and none waits. What
// waits for a restart is logged. Call it from one goroutine.
func (b *Bridge) Reload(load func() (*config.Loaded, error)) error {
	next, err := load()
	if err == nil {
		err = b.takeOver(next)
	}
	if err != nil {
		b.reloads.successful.Set(0)
		reason := err.Error()
		b.refusedReload.Store(&reason)
		b.log.Error("the configuration that was read again is refused: the one before stays in effect", zap.Error(err))
		return err
	}
	b.reloads.done()
	b.refusedReload.Store(nil)
	return nil
}

func (b *Bridge) takeOver(next *config.Loaded) error {
	if err := next.Validate(); err != nil {
		return err
	}
	merged, changed, waiting := b.config.Merge(&next.Config)
	if err := merged.Validate(); err != nil { // what waits for a restart may not fit to the rest
		return err
	}
	level, err := zapcore.ParseLevel(merged.Log.Level)
	if err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	listener, err := b.server.Prepare(merged.IngressInDataDir(), merged.EffectiveSources())
	if err != nil {
		return err
	}
	pair, err := embeddedCertificate(&merged)
	if err != nil {
		return err
	}
	// From here on nothing fails.
	listener.Apply()
	if pair != nil {
		b.publisher.UseCertificate(pair)
	}
	b.level.SetLevel(level)
	b.config = &merged
	for _, w := range next.Notices() {
		b.log.Warn(w)
	}
	if len(waiting) > 0 {
		b.log.Warn("these keys have changed and wait for a restart", zap.Strings("keys", waiting))
	}
	b.log.Info("the configuration was read again", zap.Strings("changed", changed))
	return nil
}

// embeddedCertificate reads the certificate of the embedded NATS; nil if it has none.
func embeddedCertificate(c *config.Config) (*tls.Certificate, error) {
	t := c.NATS.Embedded.TLS
	if c.NATS.URL != "" || t.CertFile == "" {
		return nil, nil
	}
	pair, err := certificate.Files{Certificate: t.CertFile, Key: t.KeyFile}.Load()
	if err == nil {
		err = certificate.CheckTime(pair.Leaf, time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("nats.embedded.tls.cert_file: %w", err)
	}
	return pair, nil
}

// withReload adds to an answer of /readyz that a configuration was refused. Events are taken
// all the same, by the one before.
func (b *Bridge) withReload(r ops.Readiness) ops.Readiness {
	refused := b.refusedReload.Load()
	if refused == nil {
		return r
	}
	if r.Status == ops.Ready {
		r.Status = ops.Degraded
	}
	d := ops.Detail{
		Text: "the configuration that was read again is refused, and the one before stays in effect: " + strings.ReplaceAll(*refused, "\n", "; "),
		Fix:  "treble-bridge config check", FixIn: streams.InShell,
	}
	r.Reasons, r.Details = append(r.Reasons, d.Text+": "+d.Fix), append(r.Details, d)
	return r
}
