package ingress

import (
	"net/http"
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// doubt is what a header says against reading the body as JSON. Treble sends once, and
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
			"The Content-Type is not JSON, and neither is the body: send application/json."})
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

// isJSON says whether a body of this Content-Type is read as JSON. Without any
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

// isPlain says whether the headers say that the body is sent as it is. Compressed ones are
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
