package publisher

import (
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Status is what the publisher can do now.
type Status struct {
	Ready    bool     // deliveries can be accepted
	Degraded bool     // something needs the operator; Reasons says what
	Reasons  []string // why not ready or degraded; no secrets, no personal data
}

func (s *Status) unready(format string, args ...any) {
	s.Ready = false
	s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
}

func (s *Status) degraded(format string, args ...any) {
	s.Degraded = true
	s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
}

// Status follows the connection, the last look at the streams and the outboxes; it
// asks nobody and returns at once.
func (p *Publisher) Status() Status {
	s := Status{Ready: true}
	p.mu.Lock()
	closing := p.closing
	p.mu.Unlock()
	if closing {
		s.unready("shutting down")
	}
	// Without a journal, what keeps events out of the stream keeps them out
	// altogether; with one, they wait.
	accepts := p.cfg.Ack == AckJournal
	blocked := s.unready
	if accepts {
		blocked = s.degraded
	}
	findings, looked, problem := p.streams.State()
	switch {
	case !p.conn.Connected():
		if reason := p.conn.Reason(); reason != "" {
			blocked("not connected to NATS: %s", reason)
		} else {
			blocked("not connected to NATS")
		}
	case problem != nil:
		blocked("%v", problem)
	case !looked:
		blocked("the streams have not been looked at yet")
	}
	for _, f := range findings {
		if f.Severity == streams.Unusable && f.Stream == p.cfg.Stream {
			blocked("%s", f)
		} else {
			s.degraded("%s", f)
		}
	}
	if p.events != nil {
		p.outboxStatus(&s, p.events, "events", accepts)
	}
	if p.refused != nil {
		p.outboxStatus(&s, p.refused, "refused bodies", false)
	}
	if reason := p.setAside.Reason(); reason != "" {
		s.degraded("%s", reason)
	}
	return s
}

// outboxStatus tells what keeps messages out of an outbox (unready, if it is what
// accepts), and what keeps them in it.
func (p *Publisher) outboxStatus(s *Status, b *outbox.Outbox, what string, accepts bool) {
	stats := b.Stats()
	report := s.degraded
	if accepts {
		report = s.unready
	}
	if full := b.Full(); full != nil {
		report("the journal of %s is full: %v; see treble-bridge journal status", what, full)
	}
	if stats.Fault != nil {
		report("the journal of %s cannot be written: %v; see treble-bridge journal status", what, stats.Fault)
	}
	if problem := b.Problem(); problem != "" && p.conn.Connected() {
		if b.Account().Pending == 0 {
			what = "new " + what // there are none yet, or no more
		}
		s.degraded("%s wait in the journal: %s; see treble-bridge journal status", what, problem)
	}
	if stats.Damaged > 0 {
		s.degraded("the journal of %s is damaged in %d places; see treble-bridge journal verify", what, stats.Damaged)
	}
}

// Findings returns what was wrong with the streams at the last look.
func (p *Publisher) Findings() []streams.Finding {
	findings, _, _ := p.streams.State()
	return findings
}
