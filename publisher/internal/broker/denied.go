package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

// expectedDenial reports whether err says that the user may not delete a consumer. NATS cannot
// permit it for our consumers alone, and they end by themselves after a short time.
func (c *Conn) expectedDenial(err error) bool {
	subject, ok := link.DeniedSubject(err)
	return ok && c.isConsumerDelete(subject)
}

func (c *Conn) isConsumerDelete(subject string) bool {
	return strings.HasPrefix(subject, c.cfg.API()+"CONSUMER.DELETE.")
}

// DeniedSince returns an error that names the subject of the last unexpected denial, if it came at
// or after t; nil else. A request that was denied gets no answer, only its timeout.
func (c *Conn) DeniedSince(t time.Time) error { return c.denied.LastSince(t) }

// Explain returns the denial that made a request about a stream time out, if the server reported one
// since that time; else err.
func (c *Conn) Explain(err error, stream string, since time.Time) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if denied := c.denied.OfStream(stream, since); denied != nil {
		return denied
	}
	return c.denied.Explain(err)
}

// watch begins to wait for what the server reports of messages; see link.Violations.
func (c *Conn) watch(msgs []Message) *link.Watch {
	return c.denied.Watch(func(subject string) bool {
		return slices.ContainsFunc(msgs, func(m Message) bool { return m.Subject == subject })
	})
}

// watchRequest begins to wait for the denial of a request.
func (c *Conn) watchRequest(subject string) *link.Watch {
	return c.denied.Watch(func(s string) bool { return s == subject })
}
