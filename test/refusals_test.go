package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// refusal is a request that must be refused, and how.
type refusal struct {
	name    string
	request request
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
		{"not-json", request{body: `{"session_id":`}, 400, "not-json", true},
		{"empty", request{body: ``}, 400, "not-json", true},
		{"two-values", request{body: `{} {}`}, 400, "not-json", true},
		{"scalar", request{body: `"hello"`}, 400, "not-object", true},
		{"null", request{body: `null`}, 400, "not-object", true},
		{"empty-array", request{body: `[]`}, 400, "not-object", true},
		{"array-of-scalars", request{body: `[1,2]`}, 400, "not-object", true},
		{"too-deep", request{body: deep}, 400, "too-deep", true},
		{"no-session", request{body: `{"read_at":"2021-06-22 15:19:08"}`}, 422, "missing-fields", true},
		{"one-of-two", request{body: `[{"event_type":"new"},{"event_type":"session.close"}]`}, 422, "missing-fields", true},
		{"wrong-token", request{body: fine, token: "another-token-altogether"}, 401, "unauthorized", false},
		{"wrong-content-type", request{body: "hello", contentType: "text/plain"}, 415, "content-type", true},
		{"unknown-path", request{body: fine, path: "/elsewhere"}, 404, "not-found", true},
		{"get", request{method: http.MethodGet}, 405, "method-not-allowed", false},
		{"too-large", request{body: large}, 413, "body-too-large", true},
		{"too-large-chunked", request{body: large, chunked: true}, 413, "body-too-large", true},
	}
}

// check holds a reply against what is wanted, and against RFC 9457.
func (c refusal) check(t *testing.T, r reply) {
	t.Helper()
	if r.status != c.status {
		t.Errorf("got %d %s, want %d", r.status, r.body, c.status)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: got %q, want application/problem+json", got)
	}
	var problem struct {
		Type, Title string
		Status      int
	}
	if err := json.Unmarshal([]byte(r.body), &problem); err != nil {
		t.Fatalf("problem %q: %v", r.body, err)
	}
	if !strings.HasSuffix(problem.Type, ":"+c.problem) || problem.Status != r.status || problem.Title == "" {
		t.Errorf("got problem %s, want one of type …:%s with title and the status", r.body, c.problem)
	}
}
