package ingress

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// mostLogged bounds the ids, kinds and fields in one log line.
const mostLogged = 20

// byAnybody are the outcomes that need no secret, so that a flood of them must not fill the log.
var byAnybody = []string{"unauthorized", "too-many-failures", "not-found", "too-many-requests"}

// refusals admits one line a second of each source and outcome. Its zero value is ready.
type refusals struct{ paces sync.Map }

func (r *refusals) take(source, outcome string) (held int, ok bool) {
	key := [2]string{source, outcome}
	pace, ok := r.paces.Load(key)
	if !ok {
		pace, _ = r.paces.LoadOrStore(key, connections.NewPerSecond())
	}
	return pace.(*connections.PerSecond).Take()
}

// report writes the one log line of a request: a refused delivery at warn, one a second of those that
// anybody can cause; an accepted one at debug. What came with another method, or to a path of no
// source and not as a POST, is no delivery but a passer-by, and stays at debug.
//
// It logs what the bridge itself knows: the configured path in place of the
// real one, event ids, names of fields; never a value of the request.
func (s *snapshot) report(r *http.Request, x *exchange, took time.Duration) {
	level, message := zapcore.WarnLevel, "refused"
	switch {
	case x.problem == nil:
		level, message = zapcore.DebugLevel, "accepted"
	case r.Method != http.MethodPost:
		level = zapcore.DebugLevel
	case x.status == http.StatusInternalServerError:
		level = zapcore.ErrorLevel
	}
	line := s.log.Check(level, message)
	if line == nil {
		return
	}
	more := 0
	if level == zapcore.WarnLevel && slices.Contains(byAnybody, x.outcome()) {
		var ok bool
		if more, ok = s.refusals.take(x.source, x.outcome()); !ok {
			return
		}
	}
	fields := []zap.Field{
		zap.String("source", x.source),
		zap.String("path", x.route),
		zap.Int("status", x.status),
		zap.String("outcome", x.outcome()),
		zap.Int("bytes", x.bytes),
		zap.Duration("duration", took),
	}
	if more > 0 {
		fields = append(fields, zap.Int("more_since_the_last_line", more))
	}
	fields = append(fields, deliveryFields(x.delivery)...)
	if len(x.forgiven) > 0 {
		fields = append(fields, zap.Strings("forgiven", x.forgiven))
	}
	if x.problem != nil {
		fields = append(fields, zap.String("remote", r.RemoteAddr), zap.NamedError("cause", x.problem.cause))
	}
	line.Write(fields...)
}

func deliveryFields(d delivery.Delivery) []zap.Field {
	var fields []zap.Field
	if d.TestRun != "" {
		fields = append(fields, zap.String("test_run", d.TestRun))
	}
	if n := len(d.Events); n > 0 {
		var kinds, ids []string
		for _, e := range d.Events[:min(n, mostLogged)] {
			ids = append(ids, e.ID)
			if !slices.Contains(kinds, string(e.Kind)) {
				kinds = append(kinds, string(e.Kind))
			}
		}
		fields = append(fields, zap.Int("events", n), zap.Strings("kinds", kinds), zap.Strings("ids", ids))
	}
	if d.Rejection != nil {
		var at []string
		for _, v := range d.Rejection.Violations[:min(len(d.Rejection.Violations), mostLogged)] {
			if v.Field != "" {
				at = append(at, v.Field)
			}
		}
		if len(at) > 0 {
			fields = append(fields, zap.Strings("fields", at))
		}
	}
	return fields
}
