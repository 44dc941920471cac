package publisher

import "fmt"

// Status is what the publisher can do now.
type Status struct {
	Ready    bool     // deliveries can be accepted
	Degraded bool     // something needs the operator; Reasons says what
	Reasons  []string // why not ready or degraded; no secrets, no personal data
}

// Status follows the connection and the last look at the streams; it asks
// nobody and returns at once.
func (p *Publisher) Status() Status {
	s := Status{Ready: true}
	unready := func(format string, args ...any) {
		s.Ready = false
		s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
	}
	p.mu.Lock()
	closing := p.closing
	p.mu.Unlock()
	if closing {
		unready("shutting down")
	}
	degraded := func(format string, args ...any) {
		s.Degraded = true
		s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
	}
	// Without a journal, what keeps events out of the stream keeps them out
	// altogether; with one, they wait.
	blocked := unready
	if p.cfg.Ack == AckJournal {
		blocked = degraded
	}
	findings, looked, problem := p.streams.state()
	switch {
	case !p.conn.Connected():
		blocked("not connected to NATS")
	case problem != nil:
		blocked("%v", problem)
	case !looked:
		blocked("the streams have not been looked at yet")
	}
	for _, f := range findings {
		if f.Severity == Unusable && f.Stream == p.cfg.Stream {
			blocked("%s", f)
		} else {
			degraded("%s", f)
		}
	}
	if p.journal != nil {
		p.journal.status(p.cfg.Ack == AckJournal, unready, degraded)
	}
	if reason := p.setAside.Reason(); reason != "" {
		s.Degraded = true
		s.Reasons = append(s.Reasons, reason)
	}
	return s
}

// Findings returns what was wrong with the streams at the last look.
func (p *Publisher) Findings() []Finding {
	findings, _, _ := p.streams.state()
	return findings
}
