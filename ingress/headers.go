package ingress

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
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
			kept[name] = append([]string(nil), values...)
		}
	}
	return kept
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// testRun returns the run of "treble-bridge send" that made the request, or "".
func testRun(h http.Header) string {
	if run := h.Get(schema.HeaderTest); run != "" && harmless.MatchString(run) {
		return run
	}
	return ""
}

// clockSkew is how far the clock of another host may be ahead of ours.
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
