package ingress

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// secretWords mark the headers that are not kept with a refused body. Users
// name their secret headers freely, and one that is no longer configured, or
// meant for a proxy before us, is a secret too; so rather one header too many
// is left out.
var secretWords = []string{
	"auth", "token", "secret", "key", "signature", "password", "passwd",
	"credential", "cookie", "hmac", "jwt", "bearer", "session",
	"uri", "url", "referer", // a proxy's copy of an address may hold a token
}

// keptHeaders returns a copy of the request's headers without what may be
// secret: by its name, or because the source is configured to find its secret
// there.
func keptHeaders(h http.Header, secretHeader string) map[string][]string {
	kept := make(map[string][]string, len(h))
	for name, values := range h {
		if strings.EqualFold(name, secretHeader) || looksSecret(name) {
			continue
		}
		kept[name] = append([]string(nil), values...)
	}
	return kept
}

func looksSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
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
