// Package delivery reads what Treble sends. A delivery is one HTTP request of Treble; its
// body becomes the events that package schema describes, or a rejection that says what
// is wrong with it.
//
// [Parser.Parse] is the whole of it. It does not fail, and it does not need to know where
// a body comes from or where its events go. The package also has the errors with which a
// publisher answers the ingress, so that neither of the two needs to know the other.
package delivery

import (
	"errors"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Delivery is an HTTP request of Treble after parsing: either one or more
// events, which are accepted or refused as one, or a body that was rejected.
// The ingress makes it and the publisher takes it; neither changes it after.
type Delivery struct {
	Origin
	Body      []byte         // as received
	Events    []schema.Event // in the order of the body; empty if Rejection is set
	Rejection *Rejection     // nil unless the body is refused
}

// Origin says how a body came in.
type Origin struct {
	Source   string              // name of the configured source
	Path     string              // path of the request; it may name a kind, see KindOfPath
	Header   map[string][]string // the request's headers without secrets, kept with a rejected body
	Received time.Time           // when the request was accepted for reading
	TestRun  string              // value of the request header Treble-Test, empty for real traffic
	Share    float64             // part, of 1, of what is kept for all sources that this one may fill; 0 and 1: all
	Warnings []string            // what is odd about the request, as "header: what"; each of its events has them
}

// Rejection says what is wrong with a body, in words that may be shown to the
// sender: they name fields and positions and never repeat a value.
type Rejection struct {
	Reason     schema.Reason
	Violations []Violation // never empty
}

// Violation is a defect of a body.
type Violation struct {
	Field   string `json:"field,omitempty"` // path of the field, such as "session_id" or "[2].session_id"; "" for the body as a whole
	Problem string `json:"problem"`         // what is wrong with it, and what would be right
}

// String returns the field and its problem.
func (v Violation) String() string {
	if v.Field == "" {
		return v.Problem
	}
	return v.Field + ": " + v.Problem
}

// What an Accepter answers when it does not accept. The ingress maps them to
// replies; they are tested with errors.Is.
var (
	// ErrUnavailable: nothing was kept and nothing was sent; the event will
	// not appear. Trying again later is right. (503)
	ErrUnavailable = errors.New("unavailable")
	// ErrOutcomeUnknown: the event was sent and nobody said whether it was
	// stored. It may appear or not. (504)
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrNoAnswer: the event may have been kept, and then it will appear; it
	// is not even certain that it was not. There is no true answer. (the
	// connection is closed without one)
	ErrNoAnswer = errors.New("no answer")
	// ErrTooLarge: the event exceeds what the NATS server takes in one
	// message; trying again is no use. It is always a *TooLargeError. (413)
	ErrTooLarge = errors.New("too large")
)

// TooLargeError wraps ErrTooLarge with its numbers, both in bytes.
type TooLargeError struct {
	Size  int64 // of the message, headers included
	Limit int64 // max_payload of the NATS server, or the stream's own limit
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message of %d bytes exceeds the limit of %d bytes", e.Size, e.Limit)
}

// Is makes errors.Is(err, ErrTooLarge) true.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
