package ingress

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// exchange is a request and its outcome. It belongs to the goroutine
// of the request.
type exchange struct {
	echo.Context
	source   string // name, "none" if no route fits
	route    string // the configured path that fits; the real one may hold anything
	bytes    int    // of the body, if it was read
	bodyRead bool
	trusted  bool // it came with a credential that a source takes
	delivery delivery.Delivery
	status   int
	problem  *problem // nil after a 200
	forgiven []string // slips of a request that was taken
}

const none = "none"

// outcome is the name of the problem, or "accepted".
func (x *exchange) outcome() string {
	if x.problem != nil {
		return x.problem.name
	}
	return "accepted"
}

// trust notes that the request came with a credential that a source takes.
func (x *exchange) trust() {
	x.trusted = true
	if c := connections.Of(x.Request().Context()); c != nil {
		c.Trust()
	}
}

// exchangeOf returns the exchange that observe has made of every request before a handler sees it.
func exchangeOf(c echo.Context) *exchange { return c.(*exchange) }

// observe wraps every request: it turns errors and panics into answers, counts, and logs. It
// returns no error, so that echo's own handler of errors is never called.
func (s *snapshot) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		x := &exchange{Context: c, source: none, route: none}
		if err := s.recovered(next, x); err != nil {
			if errors.Is(err, http.ErrAbortHandler) {
				s.metrics.requests.WithLabelValues(x.source, kindLabel(x.delivery.Events), "no-answer").Inc()
				s.log.Error("connection closed without an answer: nobody can tell whether the event is kept",
					zap.String("source", x.source), zap.Int("events", len(x.delivery.Events)))
				panic(http.ErrAbortHandler) // net/http closes the connection without an answer
			}
			s.refuse(x, asProblem(err))
		}
		s.metrics.requests.WithLabelValues(x.source, kindLabel(x.delivery.Events), x.outcome()).Inc()
		s.report(c.Request(), x, time.Since(start))
		return nil
	}
}

// recovered calls next and returns a panic as an error. The value of a panic is
// not told, since it may be made of a body; its type, and the text of a runtime
// error, are.
func (s *snapshot) recovered(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if aborted, ok := v.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
			err = http.ErrAbortHandler
			return
		}
		what := fmt.Sprintf("%T", v)
		if r, ok := v.(runtime.Error); ok {
			what = r.Error()
		}
		s.log.Error("panic", zap.String("source", exchangeOf(c).source), zap.String("what", what), zap.ByteString("stack", debug.Stack()))
		err = internalError(errors.New("panic"))
	}()
	if err = next(c); errors.Is(err, echo.ErrNotFound) {
		return s.lost(c)
	}
	return err
}

// kindLabel is the kind of the events, "several", or "none".
func kindLabel(events []schema.Event) string {
	if len(events) == 0 {
		return none
	}
	for _, e := range events[1:] {
		if e.Kind != events[0].Kind {
			return "several"
		}
	}
	return string(events[0].Kind)
}
