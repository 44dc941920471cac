package ingress

import (
	"fmt"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/quota"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// source is a configured endpoint, ready to serve. It does not change.
type source struct {
	name        string
	patterns    []pattern
	auth        *auth.Authenticator
	uses        []*use        // by auth.Credential.Index
	refusedKept *rate.Limiter // deliveries with wrong credentials that are kept; nil: none
	parser      delivery.Parser
	reply       reply // with a 200
	lastEvent   prometheus.Gauge
	bodies      *semaphore.Weighted // bytes of its bodies
	memory      *semaphore.Weighted // bytes that its requests in work need beside them
	memorySize  int64
	bodiesSize  value.Size // max_body, which bodies depend on too
	quota       *quota.Quota
}

// goOn takes over what the source of the same name counted before, unless its limit is another.
func (s *source) goOn(before *source) {
	if s.memorySize == before.memorySize && s.bodiesSize == before.bodiesSize {
		s.bodies, s.memory = before.bodies, before.memory
	}
	s.quota.GoOn(before.quota)
	if s.refusedKept != nil && before.refusedKept != nil && s.refusedKept.Limit() == before.refusedKept.Limit() {
		s.refusedKept = before.refusedKept
	}
}

// newSource returns a source of several, if there are others.
func newSource(cfg Config, c SourceConfig, key string, several bool, location *time.Location) (*source, error) {
	size := cfg.MaxInFlightBytes
	if several { // then one alone does not take all
		size = size / 4 * 3
	}
	s := &source{
		name:       c.Name,
		parser:     delivery.Parser{Location: location, Kinds: parseKinds(c.Kinds), MaxElements: cfg.MaxElements},
		bodies:     newBodies(cfg, size),
		memory:     semaphore.NewWeighted(int64(size)),
		memorySize: int64(size),
		bodiesSize: cfg.MaxBody,
		quota:      quota.New(c.Limits, several, delivery.MaxEvents, cfg.MaxBody),
		reply:      newReply(echo.MIMEApplicationJSON, []byte("{}")),
	}
	for _, path := range c.Paths {
		p, err := parsePattern(path)
		if err != nil {
			return nil, fmt.Errorf("%s.paths: %w", key, err)
		}
		s.patterns = append(s.patterns, p)
	}
	if c.Reply != "" {
		reply, err := value.ParseObject(string(c.Reply))
		if err != nil {
			return nil, fmt.Errorf("%s.reply: %w", key, err)
		}
		s.reply = newReply(echo.MIMEApplicationJSON, []byte(reply))
	}
	var err error
	s.auth, err = auth.New(c.Auth, key+".auth")
	if n := c.Auth.KeepRefused; n > 0 {
		s.refusedKept = rate.NewLimiter(rate.Limit(float64(n)/60), n)
	}
	return s, err
}
