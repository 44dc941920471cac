package link

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
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
	waiting map[*watch]struct{}
	last    denial               // the last unexpected denial of a publish
	when    map[string]time.Time // by subject; see Explain
	inbox   string               // text of a refused subscription to an inbox: no PubAck will ever come
}

// denial records that the server denied a publish to a subject.
type denial struct {
	subject string
	at      time.Time
}

// watch belongs to a publish that waits for its PubAck.
type watch struct {
	names  func(subject string) bool
	apart  int
	denied chan error // receives so many errors at most
}

// Watch begins to wait for what the server reports of the messages of a publish, whose subjects are
// those that names knows: one error for those that leave together, a *DeniedError for each if there are
// several that are published apart from each other. apart is 1, or their number. Call stop.
func (v *Violations) Watch(names func(subject string) bool, apart int) (denied <-chan error, stop func()) {
	w := &watch{names: names, apart: apart, denied: make(chan error, apart)}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == nil {
		v.waiting = map[*watch]struct{}{}
	}
	v.waiting[w] = struct{}{}
	return w.denied, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.waiting, w)
	}
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
	subscribeDenied = regexp.MustCompile(`for Subscription to "(.*)"`)
)

// Note takes an asynchronous error of the client, and hands a denial to the publishes of its subject.
func (v *Violations) Note(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if found := subscribeDenied.FindStringSubmatch(err.Error()); found != nil && strings.HasPrefix(found[1], v.Inboxes+".") {
		v.inbox = err.Error()
	}
	subject, ok := DeniedSubject(err)
	if !ok {
		return
	}
	if v.Passes == nil || !v.Passes(subject) {
		v.last = denial{subject, time.Now()}
		if v.when == nil || len(v.when) >= mostSubjects {
			v.when = map[string]time.Time{}
		}
		v.when[subject] = v.last.at
	}
	for w := range v.waiting {
		if !w.names(subject) {
			continue
		}
		select {
		case w.denied <- &DeniedError{subject}:
		default:
		}
	}
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

// ErrExceeds: the server has ended the connection since a message was larger than it takes. It
// stored nothing of that message, nor of what came behind it.
var ErrExceeds = errors.New("it is larger than NATS takes, which ended the connection")

// Exceeded reports whether the server ended the connection for a message that is too large. The
// server does not name the message; if only one publish waits, Exceeded hands it ErrExceeds.
func (v *Violations) Exceeded(err error) bool {
	if err == nil || !strings.EqualFold(err.Error(), "nats: maximum payload violation") {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.waiting) == 1 {
		for w := range v.waiting {
			if w.apart > 1 {
				break
			}
			select {
			case w.denied <- ErrExceeds:
			default:
			}
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
