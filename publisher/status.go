package publisher

import (
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Status is the readiness of the publisher.
type Status struct {
	Ready    bool // deliveries can be accepted
	Degraded bool // something needs the operator; Reasons says what
	Reasons  []Reason
}

// Reason explains why the publisher is not ready or degraded. It holds no secret and no personal
// data.
type Reason struct {
	Text  string
	Fix   string // the line that mends it, "" if there is none
	FixIn string // where to put the line: streams.InShell, …
	See   string // the command that tells more, "" if there is none
}

// String formats the reason and its fix as one line.
func (r Reason) String() string {
	switch {
	case r.Fix != "":
		return r.Text + streams.FixClause(r.Fix, r.FixIn)
	case r.See != "":
		return r.Text + "; see " + r.See
	}
	return r.Text
}

func (s *Status) unready(r Reason) {
	s.Ready = false
	s.Reasons = append(s.Reasons, r)
}

func (s *Status) degraded(r Reason) {
	s.Degraded = true
	s.Reasons = append(s.Reasons, r)
}

// textReason returns a reason without a fix.
func textReason(format string, args ...any) Reason { return Reason{Text: fmt.Sprintf(format, args...)} }

// journalReason returns a reason about which a command of the journal tells more.
func journalReason(command, format string, args ...any) Reason {
	return Reason{Text: fmt.Sprintf(format, args...), See: "treble-bridge journal " + command}
}

// Status follows the connection, the last check of the streams and the outboxes; it
// sends no request and returns at once.
func (p *Publisher) Status() Status {
	s := Status{Ready: true}
	p.mu.Lock()
	closing := p.closing
	p.mu.Unlock()
	if closing {
		s.unready(textReason("shutting down"))
	}
	// Without a journal, what keeps events out of the stream keeps them out
	// altogether; with one, they wait.
	accepts := p.cfg.Ack == AckJournal
	blocked := s.unready
	if accepts {
		blocked = s.degraded
	}
	findings, checked, problem := p.streams.State()
	switch {
	case !p.conn.Connected():
		if reason := p.conn.Reason(); reason != "" {
			blocked(textReason("not connected to NATS: %s", reason))
		} else {
			blocked(textReason("not connected to NATS"))
		}
	case problem != nil:
		blocked(textReason("%v", problem))
	case !checked:
		blocked(textReason("the streams have not been looked at yet"))
	}
	for _, f := range findings {
		r := Reason{Text: fmt.Sprintf("stream %s: %s", f.Stream, f.Problem), Fix: f.Fix, FixIn: f.FixIn}
		if f.Severity == streams.Unusable && f.Stream == p.cfg.Stream {
			blocked(r)
		} else {
			s.degraded(r)
		}
	}
	if p.events != nil {
		p.outboxStatus(&s, p.events, "events", accepts)
	}
	if refused := p.quarantine.Journal(); refused != nil {
		p.outboxStatus(&s, refused, "refused bodies", false)
	}
	if text, see := p.setAside.Reason(); text != "" {
		s.degraded(Reason{Text: text, See: see})
	}
	return s
}

// outboxStatus adds the reasons that keep messages out of an outbox (unready, if it is what
// accepts), and what keeps them in it.
func (p *Publisher) outboxStatus(s *Status, b *outbox.Outbox, what string, accepts bool) {
	stats := b.Stats()
	report := s.degraded
	if accepts {
		report = s.unready
	}
	if full := b.Full(); full != nil {
		report(journalReason("status", "the journal of %s is full: %v", what, full))
	}
	if stats.Fault != nil {
		report(journalReason("status", "the journal of %s cannot be written: %v", what, stats.Fault))
	}
	if problem := b.Problem(); problem != "" && p.conn.Connected() {
		if b.Account().Pending == 0 {
			what = "new " + what // there are none yet, or no more
		}
		s.degraded(journalReason("status", "%s wait in the journal: %s", what, problem))
	}
	if stats.Damaged > 0 {
		s.degraded(journalReason("verify", "the journal of %s is damaged in %d places", what, stats.Damaged))
	}
}
