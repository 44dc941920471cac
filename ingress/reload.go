package ingress

import (
	"errors"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/listen"
)

// Prepared is a configuration that was read again, complete and checked, and does not count yet.
type Prepared struct {
	server   *Server
	snapshot *snapshot
	tls      *listen.Settings // nil: plain HTTP
}

// Prepare reads a configuration for a server that runs, its files too, and changes nothing. Of cfg only what
// can change counts: what the listener was bound with stays. The error lists
// every problem by its key.
func (s *Server) Prepare(cfg Config, sources []SourceConfig) (*Prepared, error) {
	if err := errors.Join(cfg.Validate(), ValidateSources(sources)); err != nil {
		return nil, err
	}
	p := &Prepared{server: s}
	if s.tls != nil {
		var err error
		if p.tls, err = s.tls.Load(cfg.TLS); err != nil {
			return nil, err
		}
		if err := p.tls.CheckTime(time.Now()); err != nil {
			return nil, err
		}
	}
	var err error
	if p.snapshot, err = s.snapshot(cfg, sources); err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	return p, nil
}

// Apply makes the configuration that of every request and every handshake from now on. Requests in work
// end with what counted when they came. It cannot fail. Of several that were prepared at the
// same time the last one counts.
func (p *Prepared) Apply() {
	s := p.server
	p.snapshot.begin(s.current.Load())
	if p.tls != nil {
		s.tls.Use(p.tls)
	}
	s.current.Store(p.snapshot)
}
