package ingress

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// request returns the input of the authentication. The caller adds the segment of the path.
func (s *snapshot) request(r *http.Request, now time.Time) auth.Request {
	in := auth.Request{Request: r, Now: now}
	if s.needsClient {
		in.Client, _ = s.proxies.Client(r)
	}
	return in
}

// attempt is a request of a source, and the result of its authentication.
type attempt struct {
	src     *source
	in      auth.Request
	verdict auth.Verdict

	// Results of operatorHeaders.
	testRun  string
	received time.Time
	again    bool
}

// authenticate checks all credentials outside the body. It returns nil if the request may come in, or if
// only the signature of the body is missing.
func (s *snapshot) authenticate(x *exchange, a *attempt) *problem {
	a.verdict = a.src.auth.Check(a.in)
	switch {
	case a.verdict.Accepted():
		return s.admit(x, a)
	case a.verdict.NeedsBody():
		return nil
	}
	s.keepDenied(x, a.src)
	return s.denied(a.src, a.in)
}

// authenticateBody finishes with the body, if the credentials want it.
func (s *snapshot) authenticateBody(x *exchange, a *attempt, body []byte) *problem {
	if !a.verdict.NeedsBody() {
		return nil
	}
	a.src.auth.Verify(a.in, &a.verdict, body)
	if !a.verdict.Accepted() {
		if a.src.refusedKept != nil && len(body) <= refusedBody && a.src.refusedKept.Allow() {
			s.keepRefused(x, a.src, body)
		}
		return s.denied(a.src, a.in)
	}
	return s.admit(x, a)
}

// admit counts the credentials of an authenticated request, and reads its operator headers.
func (s *snapshot) admit(x *exchange, a *attempt) (refusal *problem) {
	x.trust()
	for c := range a.verdict.Credentials {
		a.src.uses[c.Index].admitted()
	}
	a.testRun, a.received, a.again, refusal = s.operatorHeaders(a.in.Request, a.in.Now)
	return refusal
}

// used notes that a sender used the credentials, and not a command of the bridge: a test, a
// delivery that is brought in again, or the probe of doctor.
func (a *attempt) used(events []schema.Event) {
	if a.testRun != "" || a.again || len(events) == 1 && events[0].Kind == schema.KindBridgeProbe {
		return
	}
	for c := range a.verdict.Credentials {
		a.src.uses[c.Index].used(a.in.Now)
	}
}

// origin describes the source of a delivery that was received at a time.
func (a *attempt) origin(x *exchange, received time.Time, doubts []doubt) delivery.Origin {
	if a.again {
		received = a.received
	}
	return delivery.Origin{
		Source:   a.src.name,
		Share:    a.src.quota.Share(),
		Path:     x.keptPath(a.src),
		Received: received,
		TestRun:  a.testRun,
		Warnings: warnings(doubts),
	}
}

// denied returns the answer to a request without the credentials of its source: the same for
// every cause, but for an address that has failed too often.
func (s *snapshot) denied(src *source, in auth.Request) *problem {
	client, peer := s.proxies.Client(in.Request)
	if !client.IsValid() {
		client = peer
	}
	if retry, tooMany := s.failures.Fail(client, in.Now); tooMany {
		return tooManyFailures(retry)
	}
	return unauthorized(src.auth.Challenge())
}

// proxied are headers that a proxy sets. Behind one that is not configured, everybody
// seems to come from its address.
var proxied = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"}

// byOperator reports whether a request comes from an address of ingress.operator_addresses.
func (s *snapshot) byOperator(r *http.Request) bool {
	client, peer := s.proxies.Client(r)
	if client == peer && slices.ContainsFunc(proxied, func(name string) bool { return len(r.Header[name]) > 0 }) {
		return false
	}
	return auth.Contains(s.operators, client)
}

// operatorHeaders returns what the commands of the bridge say of a request: the test run, and
// when its body was first received, if again is true. From anybody else such a request
// is refused: Treble sends no such header, and a test that is taken for an event, or a time that the
// sender chose, would stay in the stream.
func (s *snapshot) operatorHeaders(r *http.Request, now time.Time) (run string, at time.Time, again bool, _ *problem) {
	if len(r.Header[schema.HeaderTest]) == 0 && len(r.Header[schema.HeaderReceived]) == 0 {
		return "", time.Time{}, false, nil
	}
	if !s.byOperator(r) {
		return "", time.Time{}, false, notOperator()
	}
	at, again, problem := receivedTime(r.Header, now)
	return testRun(r.Header), at, again, problem
}

// withoutSecrets returns a path as it may be kept: a * stands for each segment that is a secret of a source.
func (s *snapshot) withoutSecrets(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if slices.ContainsFunc(s.sources, func(src *source) bool { return src.auth.PathSecret(segment) }) {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// keptPath returns the path of a request without its secret.
func (x *exchange) keptPath(src *source) string {
	if src.auth.SecretPaths() {
		return x.route
	}
	return x.Request().URL.Path
}
