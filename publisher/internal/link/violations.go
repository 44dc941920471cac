package link

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// Violations hands the errors that the server reports apart from an answer to the publishes that
// caused them. The server drops a message that the user may not publish, and ends the connection for one
// that is too large; no PubAck comes. Set the fields before any method is called.
type Violations struct {
	Inboxes string                    // first part of the subjects of inboxes
	Passes  func(subject string) bool // reports whether a denial is expected; nil: none is

	mu      sync.Mutex // guards what follows
	waiting map[*Watch]struct{}
	doubts  uint64               // publishes that ended without an answer, so that the server may still come to their messages
	settled uint64               // so many of them cannot have ended a connection any more
	last    denial               // the last unexpected denial of a publish
	when    map[string]time.Time // by subject; see Explain
	inbox   string               // text of a refused subscription to an inbox: no PubAck will ever come
}

// denial records that the server denied a publish to a subject.
type denial struct {
	subject string
	at      time.Time
}

// Watch belongs to a publish that waits for its PubAck, or to a request.
type Watch struct {
	Denied <-chan error // receives one *DeniedError; nil if it is told another way

	of             *Violations
	names          func(subject string) bool
	tell           func(error)
	before         uint64       // doubts when it began
	exceeds        bool         // guarded by of.mu
	sent, answered atomic.Int64 // messages
}

// Watch begins to wait for what the server reports of the messages of a publish, whose subjects are
// those that names knows. Call Stop when nothing of it can leave any more.
func (v *Violations) Watch(names func(subject string) bool) *Watch {
	denied := make(chan error, 1)
	w := &Watch{Denied: denied, of: v, names: names, tell: func(err error) {
		select {
		case denied <- err:
		default:
		}
	}}
	v.begin(w)
	return w
}

// WatchMessage is Watch for one message; tell is called with each *DeniedError of its subject. It must not block.
func (v *Violations) WatchMessage(subject string, tell func(error)) *Watch {
	w := &Watch{of: v, names: func(s string) bool { return s == subject }, tell: tell}
	v.begin(w)
	return w
}

func (v *Violations) begin(w *Watch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == nil {
		v.waiting = map[*Watch]struct{}{}
	}
	v.waiting[w] = struct{}{}
	w.before = v.doubts
}

// Sent notes that a message of the publish was given to the client, or a part of it.
func (w *Watch) Sent() { w.sent.Add(1) }

// Answered notes that the server has answered so many messages, or taken them before an answer.
func (w *Watch) Answered(n int) { w.answered.Add(int64(n)) }

// Exceeds reports whether a message of the publish was larger than NATS takes, which ended the connection.
// That is known when the link is down.
func (w *Watch) Exceeds() bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.exceeds
}

// Stop ends the watch. Without an answer to what was sent, it is in doubt whether that will end the
// connection. An answer proves that the server took what left before.
func (w *Watch) Stop() {
	v := w.of
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.waiting, w)
	switch sent, answered := w.sent.Load(), w.answered.Load(); {
	case answered < sent:
		v.doubts++
	case sent > 0:
		v.settled = max(v.settled, w.before)
	}
}

// InWrite reports whether err, with which a connection ended, says that the server was sent more than it
// has read. It may have ended the connection for the size of a message then: what it said of that can be lost.
func InWrite(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "write" || errors.Is(err, syscall.ECONNRESET))
}

// Renew notes that there is another client of NATS: nothing that left before is on its connections.
func (v *Violations) Renew() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settled = v.doubts
}

// ErrDenied: the user may not publish what it did.
var ErrDenied = errors.New("NATS does not permit this user")

// DeniedError is ErrDenied of one subject.
type DeniedError struct{ Subject string }

func (e *DeniedError) Error() string { return fmt.Sprintf("%v to publish to %s", ErrDenied, e.Subject) }
func (e *DeniedError) Unwrap() error { return ErrDenied }

// mostSubjects bounds what Violations remembers.
const mostSubjects = 100

var (
	publishDenied   = regexp.MustCompile(`for Publish to (".*")`)
	subscribeDenied = regexp.MustCompile(`for Subscription to "([^"]*)"`)
)

// Note takes an asynchronous error of the client, and hands a denial to the publishes of its subject.
func (v *Violations) Note(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	for _, w := range v.note(err) {
		subject, _ := DeniedSubject(err)
		w.tell(&DeniedError{subject})
	}
}

// note remembers a denial, and returns who waits for it.
func (v *Violations) note(err error) (concerned []*Watch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if subject, ok := DeniedSubscription(err); ok && strings.HasPrefix(subject, v.Inboxes+".") {
		v.inbox = err.Error()
	}
	subject, ok := DeniedSubject(err)
	if !ok {
		return nil
	}
	if v.Passes == nil || !v.Passes(subject) {
		v.last = denial{subject, time.Now()}
		if v.when == nil || len(v.when) >= mostSubjects {
			v.when = map[string]time.Time{}
		}
		v.when[subject] = v.last.at
	}
	for w := range v.waiting {
		if w.names(subject) {
			concerned = append(concerned, w)
		}
	}
	return concerned
}

// DeniedSubject returns the subject of an asynchronous error of the client which says that the user
// may not publish.
func DeniedSubject(err error) (subject string, ok bool) {
	found := publishDenied.FindStringSubmatch(err.Error())
	if found == nil {
		return "", false
	}
	subject, err = strconv.Unquote(found[1])
	return subject, err == nil
}

// DeniedSubscription is DeniedSubject for an error which says that the user may not subscribe.
func DeniedSubscription(err error) (subject string, ok bool) {
	if found := subscribeDenied.FindStringSubmatch(err.Error()); found != nil {
		return found[1], true
	}
	return "", false
}

// ErrExceeds: the server has ended the connection since a message was larger than it takes. It
// stored nothing of that message, nor of what came behind it.
var ErrExceeds = errors.New("it is larger than NATS takes, which ended the connection")

// Exceeded reports whether the server ended the connection for a message that is too large. The
// server does not name the message. It is certain whose it was if only one publish waits, and none
// before it ended without an answer: the message of that one may have been on its way to the server.
func (v *Violations) Exceeded(err error) bool {
	if err == nil || !strings.EqualFold(err.Error(), "nats: maximum payload violation") {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.waiting) == 1 && v.settled == v.doubts {
		for w := range v.waiting {
			w.exceeds = true
		}
	}
	return true
}

// Forget forgets the denial of the inbox, which belongs to a connection that is gone.
func (v *Violations) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inbox = ""
}

// LastSince returns an error that names the subject of the last unexpected denial, if it came at
// or after t; nil else.
func (v *Violations) LastSince(t time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if last := v.last; last.subject != "" && !last.at.Before(t) {
		return &DeniedError{last.subject}
	}
	return nil
}

// OfStream returns the unexpected denial of a request about a stream, if there was one at or after t; nil else.
func (v *Violations) OfStream(stream string, t time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for subject, at := range v.when {
		if strings.HasSuffix(subject, "."+stream) && !at.Before(t) {
			return &DeniedError{subject}
		}
	}
	return nil
}

// Explain adds to an error about a missing PubAck that the server denies the inbox, if it does.
func (v *Violations) Explain(err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.inbox == "" {
		return err
	}
	return fmt.Errorf("%w (NATS does not permit this user to receive answers: %s)", err, v.inbox)
}
