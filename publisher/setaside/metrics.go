package setaside

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the numbers of a Store.
type metrics struct{ written, failed prometheus.Counter }

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "treble_bridge_set_aside_total", Help: "Messages written to set-aside.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "treble_bridge_set_aside_failed_total", Help: "Messages that could not be written to set-aside.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.written), reg.Register(m.failed))
}
