package ingress

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"go.uber.org/zap"
)

// receive takes one request of a source to its end: nil after a 200 was
// written, else the problem.
func (s *Server) receive(c echo.Context, src *source) error {
	r, x := c.Request(), exchangeOf(c)

	credential, ok := src.auth.Authenticate(r)
	if !ok {
		return unauthorized(src.auth.Challenge())
	}
	s.metrics.authentications.WithLabelValues(src.name, credential).Inc()
	received, again, problem := receivedTime(r.Header, time.Now())
	if problem != nil {
		return problem
	}
	if !s.enter() {
		return tooManyRequests()
	}
	defer s.leave()

	if !again {
		received = time.Now()
	}
	body, release, problem := readBody(c.Response(), r, int64(s.config.MaxBody), s.bodies)
	defer release()
	doubts := doubtsOf(r.Header)
	origin := delivery.Origin{
		Source:   src.name,
		Path:     r.URL.Path,
		Header:   keptHeaders(r.Header, src.secretHeader),
		Received: received,
		TestRun:  testRun(r.Header),
		Warnings: warnings(doubts),
	}
	if problem != nil {
		s.keepBeginning(r.Context(), origin, body, problem)
		return problem
	}
	x.bodyRead, x.bytes = true, len(body)

	d := judged(src.parser.Parse(body, origin), doubts)
	x.delivery = d
	if err := s.accept(r.Context(), d); err != nil {
		return err
	}
	x.forgiven = forgiven(c, doubts)
	for _, slip := range x.forgiven {
		s.metrics.forgiven.WithLabelValues(src.name, slip).Inc()
	}
	if d.TestRun == "" && !again { // what is brought in again says nothing of Treble
		s.metrics.lastEvent.WithLabelValues(d.Source).Set(float64(d.Received.UnixMilli()) / 1000)
	}
	s.write(c, http.StatusOK, echo.MIMEApplicationJSON, src.reply)
	return nil
}

// accept hands the delivery on and waits. Nothing may answer in its place: an
// answer before Accept returns would be a guess.
func (s *Server) accept(ctx context.Context, d delivery.Delivery) error {
	// A client that went away does not end it: the event is here, and half an
	// Accept is of no use to anybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.AcceptTimeout)
	defer cancel()

	start := time.Now()
	err := s.accepter.Accept(ctx, d)
	if d.Rejection != nil {
		if err != nil {
			s.log.Error("refused body is not kept", zap.String("source", d.Source), zap.Error(err))
		}
		return ofRejection(d.Rejection)
	}
	s.metrics.accept.WithLabelValues(d.Source).Observe(time.Since(start).Seconds())
	if err != nil {
		return ofAccept(err)
	}
	return nil
}

// enter takes a slot for a request, unless all are taken.
func (s *Server) enter() bool {
	select {
	case s.slots <- struct{}{}:
		s.metrics.inFlight.Inc()
		return true
	default:
		return false
	}
}

func (s *Server) leave() {
	s.metrics.inFlight.Dec()
	<-s.slots
}
