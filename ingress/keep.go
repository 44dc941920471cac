package ingress

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Treble sends once. What has the secret of a source and never came to be parsed is kept
// in the quarantine too, as far as it was received.

// lost answers a request to a path of no source. A POST with the secret of one is kept in
// the quarantine: it is a delivery to a URL with a slip in it. What an open source would let in
// proves nothing.
func (s *snapshot) lost(c echo.Context) error {
	r, x := c.Request(), exchangeOf(c)
	if r.Method != http.MethodPost {
		return notFound()
	}
	claim := s.claim(r)
	if len(claim.sources) == 0 {
		return notFound()
	}
	if claim.proven {
		x.trust()
	}
	in, body, problem := s.readBody(c, claim.sources[0])
	defer in.release()
	if !s.takeSlot() {
		return notFound()
	}
	defer s.releaseSlot()
	src := s.claimed(claim, body, problem == nil)
	if src == nil {
		return notFound()
	}
	origin := delivery.Origin{Source: src.name, Share: src.quota.Share(), Path: s.withoutSecrets(r.URL.Path), Header: keptHeaders(r.Header, src.auth.SecretHeaders()),
		Received: time.Now()}
	if problem != nil {
		s.keepBeginning(origin, body, problem)
		return notFound()
	}
	x.bodyRead, x.bytes = true, len(body)
	_ = s.accept(s.deadlines.context(), delivery.Delivery{Origin: origin, Body: body, Rejection: &delivery.Rejection{
		Reason:     schema.ReasonNotFound,
		Violations: []delivery.Violation{{Problem: "no source serves this path: correct the URL in Treble, or add the path to a source"}},
	}})
	return notFound()
}

// claim is the sources that a request to an unknown path may belong to.
type claim struct {
	in      auth.Request
	sources []*source
	proven  bool // the first one's secret is in it; else its body may be signed for each of them
}

// claim looks at all but the body.
func (s *snapshot) claim(r *http.Request) claim {
	c := claim{in: s.request(r, time.Now())}
	for _, src := range s.sources {
		switch v := src.auth.Check(c.in); {
		case v.Secret():
			return claim{c.in, []*source{src}, true}
		case v.NeedsBody():
			c.sources = append(c.sources, src)
		}
	}
	return c
}

// claimed returns the source whose secret a request has shown, or nil. A body that was not received as a
// whole shows none.
func (s *snapshot) claimed(c claim, body []byte, whole bool) *source {
	if c.proven {
		return c.sources[0]
	}
	if !whole {
		return nil
	}
	release, ok := s.reserve(s.deadlines.context(), c.sources[0], body)
	if !ok {
		return nil
	}
	defer release()
	for _, src := range c.sources {
		v := src.auth.Check(c.in)
		src.auth.Verify(c.in, &v, body)
		if v.Secret() {
			return src
		}
	}
	return nil
}

// beginning bounds the part that is kept of a body that was not received as a whole.
const beginning = 64 << 10

// keepBeginning gives the quarantine what was read of a body that is too large or broke
// off: Treble sends once, and the beginning tells at least whose event it was.
func (s *snapshot) keepBeginning(o delivery.Origin, body []byte, p *problem) {
	reason := schema.ReasonBodyIncomplete
	switch p.status {
	case http.StatusTooManyRequests:
		return // it may be sent again
	case http.StatusRequestEntityTooLarge:
		reason = schema.ReasonBodyTooLarge
	}
	body = body[:min(len(body), beginning)]
	if len(body) == 0 {
		return
	}
	what := strings.TrimSpace(fmt.Sprintf("%s Only the first %d bytes are kept.", cmp.Or(p.detail, p.title+"."), len(body)))
	_ = s.accept(s.deadlines.context(), delivery.Delivery{Origin: o, Body: bytes.Clone(body),
		Rejection: &delivery.Rejection{Reason: reason, Violations: []delivery.Violation{{Problem: what}}}})
}

// refusedBody is the largest body that is kept of a request with wrong credentials.
const refusedBody = 256 << 10

// keepDenied keeps a request with wrong credentials in the quarantine, if its
// source is configured for it and the bounds allow it. It changes nothing of the answer.
func (s *snapshot) keepDenied(x *exchange, src *source) {
	r := x.Request()
	if src.refusedKept == nil || r.ContentLength > refusedBody || !src.refusedKept.Allow() {
		return
	}
	r.Body = http.MaxBytesReader(x.Response(), r.Body, refusedBody)
	in, body, problem := s.readBody(x, src)
	defer in.release()
	if problem != nil {
		return
	}
	x.bodyRead, x.bytes = true, len(body)
	if !s.takeSlot() {
		return
	}
	defer s.releaseSlot()
	s.keepRefused(x, src, body)
}

// keepRefused gives the quarantine a body whose sender showed no credential.
func (s *snapshot) keepRefused(x *exchange, src *source, body []byte) {
	if len(body) == 0 {
		return
	}
	_ = s.accept(s.deadlines.context(), delivery.Delivery{
		Origin: delivery.Origin{Source: src.name, Share: src.quota.Share(), Path: x.keptPath(src), Received: time.Now(),
			Header: keptHeaders(x.Request().Header, src.auth.SecretHeaders())},
		Body: bytes.Clone(body),
		Rejection: &delivery.Rejection{Reason: schema.ReasonUnauthorized, Violations: []delivery.Violation{{
			Problem: "the request had no credential that the source takes: make sure that it came from Treble before you send it again"}}},
	})
}
