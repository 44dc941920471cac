package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// How long a client is told to wait. Slots and budgets are free again within one Accept; a
// NATS that is away takes longer to come back.
const (
	retryBusy        = 1 * time.Second
	retryUnavailable = 5 * time.Second
)

func retryAfter(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

func notFound() *problem {
	return &problem{name: "not-found", status: http.StatusNotFound, title: "No webhook here",
		detail: "No source is configured for this path."}
}

func methodNotAllowed() *problem {
	p := &problem{name: "method-not-allowed", status: http.StatusMethodNotAllowed, title: "Method not allowed",
		detail: "Webhooks are taken with POST."}
	return p.with("Allow", http.MethodPost)
}

// unauthorized is the same for every cause, so that it helps nobody to guess.
func unauthorized(challenge string) *problem {
	p := &problem{name: "unauthorized", status: http.StatusUnauthorized, title: "Not authorized",
		detail: "The request carries no credential that this source takes."}
	if challenge == "" {
		return p
	}
	return p.with("WWW-Authenticate", challenge)
}

// tooManyFailures answers an address that failed to authenticate too often.
func tooManyFailures(retry time.Duration) *problem {
	p := &problem{name: "too-many-failures", status: http.StatusTooManyRequests, title: "Too many requests that are not authorized",
		detail: "Too many requests of this address carried no credential that their source takes."}
	return p.with("Retry-After", retryAfter(retry.Truncate(time.Second)+time.Second))
}

// notOperator answers a request with headers that only the commands of the bridge may send.
func notOperator() *problem {
	return &problem{name: "not-operator", status: http.StatusForbidden, title: "Headers of an operator refused",
		detail: fmt.Sprintf("The headers %s and %s are taken from the addresses in ingress.operator_addresses only. Nothing of this request was kept.",
			schema.HeaderTest, schema.HeaderReceived)}
}

func wrongReceived(what string) *problem {
	return &problem{name: "received-time", status: http.StatusBadRequest, title: "Time of receipt refused",
		detail: fmt.Sprintf("The header %s %s. Leave it out, unless the body was received before.", schema.HeaderReceived, what)}
}

func tooManyRequests() *problem {
	p := &problem{name: "too-many-requests", status: http.StatusTooManyRequests, title: "Too many requests",
		detail: "As many requests as allowed are in work."}
	return p.with("Retry-After", retryAfter(retryBusy))
}

// overQuota answers a source that sends more events or bytes a second than its limits allow.
func overQuota(what string, wait time.Duration) *problem {
	p := &problem{name: "over-quota", status: http.StatusTooManyRequests, title: "Too much from this source",
		detail: "The source sends more " + what + " a second than it may. Nothing of this request was kept; send it again later."}
	return p.with("Retry-After", retryAfter(min(max(wait, 0), time.Hour)+time.Second))
}

// bodyTooLarge says what is known of the size: that of Content-Length, or that
// there was more than the limit.
func bodyTooLarge(size, limit int64, exact bool) *problem {
	known := "at least "
	if exact {
		known = ""
	}
	return &problem{name: "body-too-large", status: http.StatusRequestEntityTooLarge, title: "Body too large",
		detail: fmt.Sprintf("The body has %s%d bytes; the limit is %d bytes.", known, size, limit),
		extra:  map[string]any{"size": size, "limit": limit}}
}

func bodyTimeout(cause error) *problem {
	return &problem{name: "body-timeout", status: http.StatusRequestTimeout, title: "Body not received in time", cause: cause}
}

// bodyIncomplete answers a body that broke off. Only a client whose chunks are malformed is still
// there to read it.
func bodyIncomplete(cause error) *problem {
	return &problem{name: "body-incomplete", status: http.StatusBadRequest, title: "Body incomplete",
		detail: "The body ended before its announced end.", cause: cause}
}

func internalError(cause error) *problem {
	return &problem{name: "internal-error", status: http.StatusInternalServerError, title: "Internal error", cause: cause}
}

// problemFromAccept returns what an error of Accept stands for: a problem, or, where
// every answer might be a lie, http.ErrAbortHandler, which closes the connection
// without one.
func problemFromAccept(err error) error {
	var large *delivery.TooLargeError
	switch {
	case errors.Is(err, delivery.ErrNoAnswer):
		return http.ErrAbortHandler
	case errors.As(err, &large):
		return &problem{name: "event-too-large", status: http.StatusRequestEntityTooLarge, title: "Event too large", cause: err,
			detail: fmt.Sprintf("The event needs a message of %d bytes; the limit is %d bytes.", large.Size, large.Limit),
			extra:  map[string]any{"size": large.Size, "limit": large.Limit}}
	case errors.Is(err, delivery.ErrUnavailable):
		p := &problem{name: "unavailable", status: http.StatusServiceUnavailable, title: "Unavailable", cause: err,
			detail: "Events cannot be kept now. Nothing of this request was kept; send it again later."}
		return p.with("Retry-After", retryAfter(retryUnavailable))
	case errors.Is(err, delivery.ErrOutcomeUnknown), errors.Is(err, context.DeadlineExceeded):
		// A deadline that Accept did not explain leaves as much unknown.
		return &problem{name: "outcome-unknown", status: http.StatusGatewayTimeout, title: "outcome-unknown", cause: err,
			detail: "The event was sent on, and nobody said in time whether it was stored. It may appear or not."}
	}
	return internalError(err)
}

// problemFromRejection returns the problem of a body that Parse refused.
func problemFromRejection(r *delivery.Rejection) *problem {
	p := &problem{name: string(r.Reason), status: http.StatusBadRequest, title: "Body refused",
		extra: map[string]any{"violations": r.Violations}}
	switch r.Reason {
	case schema.ReasonNotJSON:
		p.title = "Body is not JSON"
	case schema.ReasonNotObject:
		p.title = "Body is neither an object nor a non-empty array of objects"
	case schema.ReasonTooDeep:
		p.title = "Body is nested too deep"
	case schema.ReasonTooMany:
		p.title, p.status = "Too many events in one body", http.StatusRequestEntityTooLarge
	case schema.ReasonContentType:
		p.title, p.status = "Content type not supported", http.StatusUnsupportedMediaType
	case schema.ReasonContentEncoding:
		p.title, p.status = "Content encoding not supported", http.StatusUnsupportedMediaType
		p = p.with("Accept-Encoding", "identity")
	case schema.ReasonMissing:
		p.title, p.status = "Fields are missing", http.StatusUnprocessableEntity
	case schema.ReasonKindForbidden:
		p.title, p.status = "Kind not accepted", http.StatusUnprocessableEntity
	}
	if len(r.Violations) > 0 {
		p.detail = r.Violations[0].String()
	}
	return p
}

// problemPrefix stands before the name of a problem in its type.
const problemPrefix = "urn:treble-bridge:problem:"

// problem is a refusal. Its public part is sent as RFC 9457 describes; its
// cause is only logged.
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
