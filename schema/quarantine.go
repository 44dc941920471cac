package schema

// Reason says why a body was rejected. It is a token of the quarantine subject.
type Reason string

// The reasons. Every rejected body is kept in the quarantine under its reason.
const (
	ReasonNotJSON       Reason = "not-json"          // 400
	ReasonNotObject     Reason = "not-object"        // 400: neither an object nor a non-empty array of objects
	ReasonTooDeep       Reason = "too-deep"          // 400: nested deeper than MaxDepth
	ReasonTooMany       Reason = "too-many-events"   // 413: an array of more than MaxEvents
	ReasonMissing       Reason = "missing-fields"    // 422: a known kind without what identifies it
	ReasonKindForbidden Reason = "kind-not-accepted" // 422: the source is configured for other kinds

	// By what came with the body, which is no JSON object with the first two.
	ReasonContentType     Reason = "content-type"     // 415: the header does not say JSON
	ReasonContentEncoding Reason = "content-encoding" // 415: compressed; kept as it came

	ReasonNotFound Reason = "not-found" // 404: no source serves the path, and the secret is one of a source

	ReasonUnauthorized Reason = "unauthorized" // 401: without the credentials of the source, which keeps some of them (auth.keep_refused)

	// Of a body that was not received as a whole only the beginning is kept.
	ReasonBodyTooLarge   Reason = "body-too-large"  // 413: more than ingress.max_body
	ReasonBodyIncomplete Reason = "body-incomplete" // 408 or 400: it broke off, or did not come in time
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{ReasonNotJSON, ReasonNotObject, ReasonTooDeep, ReasonTooMany, ReasonMissing, ReasonKindForbidden,
		ReasonContentType, ReasonContentEncoding, ReasonNotFound, ReasonBodyTooLarge, ReasonBodyIncomplete, ReasonUnauthorized}
}

// The headers of a refused body in the quarantine, beside HeaderMsgID,
// HeaderReceived and HeaderTest. Values are ASCII; other bytes, and the percent
// sign, are written as %XX.
const (
	HeaderQuarantineID  = "Treble-Quarantine-Id"  // of the body; what the quarantine commands call it by
	HeaderReason        = "Treble-Reason"         // why it was refused; also the end of the subject
	HeaderViolations    = "Treble-Violations"     // what is wrong, as JSON: an array of objects with field and problem
	HeaderSource        = "Treble-Source"         // name of the configured source
	HeaderPath          = "Treble-Path"           // path of the request
	HeaderRequestHeader = "Treble-Request-Header" // a header of the request as "Name: value", once for each; of most the name only
)
