package ingress

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
)

// front returns what makes connections ready for HTTP, and reads the certificate.
func (s *Server) front(cfg Config, unserved *connections.Unserved) (*listen.Front, error) {
	f := &listen.Front{Timeout: cfg.HeaderTimeout, Refused: unserved.Refused}
	var err error
	if f.Proxies, err = auth.ParseNetworks(cfg.ProxyProtocol); err != nil {
		return nil, fmt.Errorf("ingress.proxy_protocol: %w", err)
	}
	if cfg.TLS.Enabled() {
		if s.tls, err = listen.NewTLS(cfg.TLS, s.common.log); err != nil {
			return nil, err
		}
		f.TLS = s.tls
	}
	return f, nil
}

// http2Config bounds what a connection of HTTP/2 may hold in memory before a handler reads it.
func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          16,
		MaxReadFrameSize:              int(16 * value.KiB),
		MaxReceiveBufferPerConnection: int(128 * value.KiB),
		MaxReceiveBufferPerStream:     int(64 * value.KiB),
	}
}

// certificateExpiry is a metric, of a listener with TLS.
func (s *Server) certificateExpiry() []prometheus.Collector {
	if s.tls == nil {
		return nil
	}
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the public listener expires, the first of several; 0 while there is none.",
	}, func() float64 {
		if until := s.tls.Expiry(); !until.IsZero() {
			return float64(until.UnixMilli()) / float64(time.Second/time.Millisecond)
		}
		return 0
	})}
}
