package ingress

import (
	"net/http"
	"strings"
)

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

// isPlain says whether the body is sent as it is. Compressed ones are not
// taken: nothing is known to send them, and unpacking would let a small
// request become a large body.
func isPlain(h http.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		if v = strings.TrimSpace(v); v != "" && !strings.EqualFold(v, "identity") {
			return false
		}
	}
	return true
}
