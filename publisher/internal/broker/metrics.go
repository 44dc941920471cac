package broker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	connected  prometheus.Gauge
	reconnects prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		connected: promauto.With(reg).NewGauge(prometheus.GaugeOpts{
			Name: "treble_bridge_nats_connected", Help: "1 while connected to NATS.",
		}),
		reconnects: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "treble_bridge_nats_reconnects_total", Help: "Connections to NATS after the first.",
		}),
	}
}
