package ingress

import (
	"encoding/json"
	"maps"
	"net/http"
)

// problemPrefix stands before the name of a problem in its type.
const problemPrefix = "urn:treble-bridge:problem:"

// problem is a refusal. Its public part is sent as RFC 9457 describes; its
// cause is for the log only.
type problem struct {
	name   string // of the type, and the outcome in metrics and logs
	status int
	title  string
	detail string         // what is wrong with this request, and what would be right
	extra  map[string]any // further members
	header http.Header    // headers that belong to the answer
	cause  error          // never sent
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.name + ": " + p.cause.Error()
	}
	return p.name
}

func (p *problem) Unwrap() error { return p.cause }

// body returns the members of the problem as JSON.
func (p *problem) body() []byte {
	members := maps.Clone(p.extra)
	if members == nil {
		members = map[string]any{}
	}
	members["type"] = problemPrefix + p.name
	members["title"] = p.title
	members["status"] = p.status
	if p.detail != "" {
		members["detail"] = p.detail
	}
	b, err := json.Marshal(members)
	if err != nil { // extra holds numbers and strings only
		return []byte(`{}`)
	}
	return b
}

// with returns the problem with a header set.
func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}
