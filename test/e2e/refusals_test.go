package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// refusal is a request that must be refused, and how.
type refusal struct {
	name    string
	request bridge.Request
	status  int
	problem string // the last part of the problem's type; of a kept body also its reason
	kept    bool   // in the quarantine
}

// refusals returns one request for each way of being refused that needs no
// fault of NATS.
func refusals() []refusal {
	const fine = `{"event_type":"something.new","event_id":"never-accepted"}`
	large := `{"text":"` + strings.Repeat("x", maxBody) + `"}`
	deep := strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101)
	return []refusal{
		{"not-json", bridge.Request{Body: `{"session_id":`}, 400, "not-json", true},
		{"empty", bridge.Request{Body: ``}, 400, "not-json", true},
		{"two-values", bridge.Request{Body: `{} {}`}, 400, "not-json", true},
		{"scalar", bridge.Request{Body: `"hello"`}, 400, "not-object", true},
		{"null", bridge.Request{Body: `null`}, 400, "not-object", true},
		{"empty-array", bridge.Request{Body: `[]`}, 400, "not-object", true},
		{"array-of-scalars", bridge.Request{Body: `[1,2]`}, 400, "not-object", true},
		{"too-deep", bridge.Request{Body: deep}, 400, "too-deep", true},
		{"no-session", bridge.Request{Body: `{"read_at":"2021-06-22 15:19:08"}`}, 422, "missing-fields", true},
		{"one-of-two", bridge.Request{Body: `[{"event_type":"new"},{"event_type":"session.close"}]`}, 422, "missing-fields", true},
		{"wrong-token", bridge.Request{Body: fine, Header: bearer("another-token-altogether")}, 401, "unauthorized", false},
		{"wrong-content-type", bridge.Request{Body: "hello", Header: map[string]string{"Content-Type": "text/plain"}}, 415, "content-type", true},
		{"unknown-path", bridge.Request{Body: fine, Path: "/elsewhere"}, 404, "not-found", true},
		{"get", bridge.Request{Method: http.MethodGet}, 405, "method-not-allowed", false},
		{"too-large", bridge.Request{Body: large}, 413, "body-too-large", true},
		{"too-large-chunked", bridge.Request{Body: large, Chunked: true}, 413, "body-too-large", true},
	}
}

// check holds a reply against what is wanted, and against RFC 9457.
func (c refusal) check(t *testing.T, r bridge.Reply) {
	t.Helper()
	if r.Status != c.status {
		t.Errorf("got %d %s, want %d", r.Status, r.Body, c.status)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: got %q, want application/problem+json", got)
	}
	var problem struct {
		Type, Title string
		Status      int
	}
	if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
		t.Fatalf("problem %q: %v", r.Body, err)
	}
	if !strings.HasSuffix(problem.Type, ":"+c.problem) || problem.Status != r.Status || problem.Title == "" {
		t.Errorf("got problem %s, want one of type …:%s with title and the status", r.Body, c.problem)
	}
}
