package ingress

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// keptValues are the headers whose values are kept with a refused body: they tell what
// the body is and which way it came, and no sender puts a secret there.
var keptValues = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Type", "Date", "Traceparent", "Transfer-Encoding", "User-Agent", "X-Correlation-Id", "X-Forwarded-Host",
	"X-Forwarded-Port", "X-Forwarded-Proto", "X-Request-Id",
}

// keptHeaders returns the request's headers as they are kept with a refused body: those of
// keptValues with their values, of the others the name alone. Users name their secret headers freely,
// and one that is no longer configured, or meant for a proxy before us, is a secret too. The
// configured ones are never kept with a value.
func keptHeaders(h http.Header, secret []string) map[string][]string {
	kept := make(map[string][]string, len(h))
	for name, values := range h {
		kept[name] = []string{""}
		if slices.Contains(keptValues, name) && !slices.Contains(secret, name) {
			kept[name] = slices.Clone(values)
		}
	}
	return kept
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// testRun returns the run of "treble-bridge send" that made the request, or "".
func testRun(h http.Header) string {
	if run := h.Get(schema.HeaderTest); harmless.MatchString(run) {
		return run
	}
	return ""
}

// clockSkew is the time by which the clock of another host may be ahead.
const clockSkew = time.Minute

// receivedTime returns when a body that is brought in again was first received:
// by a host that is gone, or before it was refused. The bool is false if the
// request does not say. What it says is not believed if it cannot be: the
// envelope would carry it for good.
func receivedTime(h http.Header, now time.Time) (at time.Time, again bool, _ *problem) {
	values := h.Values(schema.HeaderReceived)
	if len(values) == 0 {
		return time.Time{}, false, nil
	}
	at, err := time.Parse(time.RFC3339, values[0])
	at = at.UTC()
	switch {
	case len(values) > 1:
		return time.Time{}, false, wrongReceived("is there more than once")
	case err != nil || at.Year() < 1 || at.Year() > 9999:
		return time.Time{}, false, wrongReceived("is no time in the form of RFC 3339, such as 2026-01-31T08:00:00Z")
	case at.After(now.Add(clockSkew)):
		return time.Time{}, false, wrongReceived("is in the future")
	}
	return at, true, nil
}

// doubt is a header that contradicts a JSON body. Treble sends once, and
// what stands before us may change headers: a body that is plainly JSON is taken all the
// same, with a warning; any other is refused for the header.
type doubt struct {
	reason  schema.Reason
	warning string
	refusal string
}

// doubtsOf returns the doubts about a body.
func doubtsOf(h http.Header) []doubt {
	var all []doubt
	if values := h.Values("Content-Type"); len(values) > 1 || !isJSON(h.Get("Content-Type")) {
		all = append(all, doubt{schema.ReasonContentType,
			"content-type: the header does not say JSON, and the body is read as JSON all the same",
			"The Content-Type is not JSON, and the body is no JSON object: send application/json."})
	}
	if !isPlain(h) {
		all = append(all, doubt{schema.ReasonContentEncoding,
			"content-encoding: the header names an encoding, and the body is read as it is",
			"The body has a Content-Encoding: send it without compression."})
	}
	return all
}

// judged refuses a body for the first doubt, if it is not plainly JSON.
func judged(d delivery.Delivery, doubts []doubt) delivery.Delivery {
	if len(doubts) == 0 || d.Rejection == nil ||
		d.Rejection.Reason != schema.ReasonNotJSON && d.Rejection.Reason != schema.ReasonNotObject {
		return d
	}
	d.Rejection = &delivery.Rejection{Reason: doubts[0].reason, Violations: []delivery.Violation{{Problem: doubts[0].refusal}}}
	return d
}

func warnings(doubts []doubt) []string {
	var all []string
	for _, d := range doubts {
		all = append(all, d.warning)
	}
	return all
}

// isJSON reports whether a body of this Content-Type is read as JSON. Without any
// it is: Treble always sends one, but what a proxy dropped should not cost an
// event. Parameters, such as charset, are not looked at: what is not UTF-8
// fails to parse, and is kept in the quarantine then.
func isJSON(contentType string) bool {
	essence, _, _ := strings.Cut(contentType, ";")
	switch essence = strings.ToLower(strings.TrimSpace(essence)); essence {
	case "", "application/json", "text/json":
		return true
	}
	name, ok := strings.CutPrefix(essence, "application/")
	if !ok {
		return false
	}
	name, ok = strings.CutSuffix(name, "+json")
	return ok && name != ""
}

// isPlain reports whether the headers say that the body is sent as it is. Compressed ones are
// not taken: nothing is known to send them, and unpacking would let a small
// request become a large body. They are kept as they came.
func isPlain(h http.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		if v = strings.TrimSpace(v); v != "" && !strings.EqualFold(v, "identity") {
			return false
		}
	}
	return true
}
