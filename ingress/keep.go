package ingress

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

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
	attempt := s.request(r, time.Now())
	i := slices.IndexFunc(s.sources, func(src *source) bool {
		verdict := src.auth.Check(attempt)
		return verdict.Secret()
	})
	if i < 0 {
		return notFound()
	}
	x.trust()
	src := s.sources[i]
	in, body, problem := s.readBody(c, src)
	defer in.release()
	if !s.enter() {
		return notFound()
	}
	defer s.leave()
	origin := delivery.Origin{Source: src.name, Path: s.withoutSecrets(r.URL.Path), Header: keptHeaders(r.Header, src.auth.SecretHeaders()),
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

// beginning is how much is kept of a body that was not received as a whole.
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
