package ingress

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// receive takes one request of a source to its end: nil after a 200 was
// written, else the problem.
func (s *snapshot) receive(c echo.Context, src *source) error {
	r, x := c.Request(), exchangeOf(c)

	a := attempt{src: src, in: s.request(r, time.Now())}
	a.in.Segment = c.Param("*")
	if problem := s.authenticate(x, &a); problem != nil {
		return problem
	}
	received := time.Now()
	in, body, problem := s.readBody(c, src)
	defer in.release()
	doubts := doubtsOf(r.Header)
	if problem != nil {
		if a.verdict.Accepted() { // a signature of the body cannot be checked
			s.keepIncomplete(&a, a.origin(x, received, doubts), body, problem)
		}
		return problem
	}
	x.bodyRead, x.bytes = true, len(body)

	// Only now, so that slow bodies take no slots.
	if !s.takeSlot() {
		return tooManyRequests()
	}
	defer s.releaseSlot()
	ctx := s.deadlines.context()
	release, ok := s.reserve(ctx, src, body)
	if !ok {
		return tooManyRequests()
	}
	defer release()
	if problem := s.authenticateBody(x, &a, body); problem != nil {
		return problem
	}
	if wait, ok := src.quota.Bytes(len(body), received); !ok {
		return overQuota("bytes", wait)
	}
	d := judged(src.parser.Parse(body, a.origin(x, received, doubts)), doubts)
	if d.Rejection != nil {
		d.Header = keptHeaders(r.Header, src.auth.SecretHeaders())
	}
	x.delivery = d
	if wait, ok := src.quota.Events(len(d.Events), received); !ok {
		return overQuota("events", wait)
	}
	a.used(d.Events)
	if err := s.accept(ctx, d); err != nil {
		return err
	}
	x.forgiven = forgiven(c, doubts)
	s.countAccepted(x, &a)
	s.write(x, http.StatusOK, src.reply)
	return nil
}

// keepIncomplete keeps the beginning of a body that was not received as a whole. Its sender is authenticated.
func (s *snapshot) keepIncomplete(a *attempt, origin delivery.Origin, body []byte, p *problem) {
	a.used(nil)
	origin.Header = keptHeaders(a.in.Request.Header, a.src.auth.SecretHeaders())
	s.keepBeginning(origin, body, p)
}

// countAccepted updates the metrics of the source after its delivery was accepted.
func (s *snapshot) countAccepted(x *exchange, a *attempt) {
	for _, slip := range x.forgiven {
		s.metrics.forgiven.WithLabelValues(a.src.name, slip).Inc()
	}
	if x.delivery.TestRun == "" && !a.again { // a delivery posted again does not show that Treble still sends
		a.src.lastEvent.Set(float64(x.delivery.Received.UnixMilli()) / 1000)
	}
}

// accept hands the delivery on and waits, until the context ends. Nothing may answer in its place: an
// answer before Accept returns would be a guess.
func (s *snapshot) accept(ctx context.Context, d delivery.Delivery) error {
	// Not with the request's context: a client that went away does not end it. The event is
	// here, and half an Accept is of no use to anybody.
	start := time.Now()
	err := s.accepter.Accept(ctx, d)
	if d.Rejection != nil {
		if err != nil {
			s.log.Error("refused body is not kept", zap.String("source", d.Source), zap.Error(err))
		}
		return problemFromRejection(d.Rejection)
	}
	s.metrics.accept.WithLabelValues(d.Source).Observe(time.Since(start).Seconds())
	if err != nil {
		return problemFromAccept(err)
	}
	return nil
}

// takeSlot takes a slot for a request, unless all are taken.
func (s *snapshot) takeSlot() bool {
	select {
	case s.slots <- struct{}{}:
		s.metrics.inFlight.Inc()
		return true
	default:
		return false
	}
}

func (s *snapshot) releaseSlot() {
	s.metrics.inFlight.Dec()
	<-s.slots
}
