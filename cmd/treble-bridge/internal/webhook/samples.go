package webhook

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
)

// The samples are the bodies of Treble's documentation. Those of
// conversation.closed-center, deployment.failed, flow.unrecognized and
// unrecognized are ours: Treble documents none.
//
//go:embed samples/*.json
var sampleFiles embed.FS

// SampleNames returns the names of the samples: a kind, or a kind and a
// variant of it.
func SampleNames() []string {
	entries, _ := sampleFiles.ReadDir("samples") // embedded, so it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// Sample returns the body of a built-in sample.
func Sample(name string) ([]byte, error) {
	body, err := sampleFiles.ReadFile(path.Join("samples", name+".json"))
	if err != nil {
		return nil, fmt.Errorf("there is no sample %q: use one of %s", name, strings.Join(SampleNames(), ", "))
	}
	return body, nil
}

// Freshen returns the body as another event of the same kind: ids of sessions
// and events are new ones, the same for the same, and all times are moved so
// that the latest is now. What is no JSON object is returned as it is.
func Freshen(body []byte, now time.Time) []byte {
	shift := sinceLatest(body, now)
	ids := map[string]string{}
	out, err := redact.EditLiterals(body, func(l redact.Literal) (string, bool) {
		if l.Number || l.Text == "" {
			return "", false
		}
		switch l.Key {
		case "session_id", "external_id", "event_id":
			if ids[l.Text] == "" {
				ids[l.Text] = freshID(l.Text)
			}
			return ids[l.Text], true
		}
		t, layout, ok := timeOf(l)
		if !ok {
			return "", false
		}
		return t.Add(shift).Format(layout), true
	})
	if err != nil {
		return body
	}
	return out
}

// freshID returns random hex digits, as long as the id that they replace, but
// not so few that they could meet again.
func freshID(old string) string {
	n := min(max(len(old), 24), 64)
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)[:n]
}

// sinceLatest returns how long ago the latest time in the body was.
func sinceLatest(body []byte, now time.Time) time.Duration {
	var latest time.Time
	_, _ = redact.EditLiterals(body, func(l redact.Literal) (string, bool) {
		if t, _, ok := timeOf(l); ok && t.After(latest) {
			latest = t
		}
		return "", false
	})
	if latest.IsZero() {
		return 0
	}
	return now.Sub(latest)
}

// timeOf reads a time of Treble's, and the layout to write it in again.
func timeOf(l redact.Literal) (t time.Time, layout string, ok bool) {
	if l.Number || l.Key != "timestamp" && !strings.HasSuffix(l.Key, "_at") {
		return time.Time{}, "", false
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00"} {
		t, err := time.Parse(layout, l.Text)
		if err != nil {
			continue
		}
		return t.UTC(), withFraction(layout, l.Text), true
	}
	return time.Time{}, "", false
}

// withFraction gives the layout as many fraction digits as the text has.
func withFraction(layout, text string) string {
	_, rest, found := strings.Cut(text, ".")
	if !found {
		return layout
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	return strings.Replace(layout, "05", "05."+strings.Repeat("0", digits), 1)
}
