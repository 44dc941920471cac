package broker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// denials hands permission errors to the publishes that caused them. The server drops a message
// that the user may not publish, and reports it on the connection, apart from the message: no PubAck
// comes. The zero value is ready.
type denials struct {
	mu      sync.Mutex
	waiting map[*denialWatch]struct{}
	inboxes string                    // first part of the subjects of inboxes
	passes  func(subject string) bool // reports whether a denial is expected; nil: none is
	last    denial                    // the last unexpected denial of a publish
	when    map[string]time.Time      // by subject; see Explain
	inbox   string                    // text of a refused subscription to an inbox: no PubAck will ever come
}

// denial records that the server denied a publish to a subject.
type denial struct {
	subject string
	at      time.Time
}

// denialWatch belongs to a publish that waits for its PubAck.
type denialWatch struct {
	msgs   []Message
	each   bool       // they are published apart from each other
	denied chan error // receives one error at most, or one for each message
}

// watch begins to wait for the refusal of one of the messages' subjects. Call stop.
func (d *denials) watch(msgs []Message) (denied <-chan error, stop func()) {
	return d.add(&denialWatch{msgs: msgs, denied: make(chan error, 1)})
}

// watchEach is watch for messages that are published apart from each other: the errors are a
// *deniedError each, or ErrExceeds if there is one message.
func (d *denials) watchEach(msgs []Message) (denied <-chan error, stop func()) {
	return d.add(&denialWatch{msgs: msgs, each: true, denied: make(chan error, len(msgs))})
}

func (d *denials) add(w *denialWatch) (denied <-chan error, stop func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = map[*denialWatch]struct{}{}
	}
	d.waiting[w] = struct{}{}
	return w.denied, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, w)
	}
}

var errDenied = errors.New("NATS does not permit this user")

// deniedError is errDenied of one subject.
type deniedError struct{ subject string }

func (e *deniedError) Error() string { return fmt.Sprintf("%v to publish to %s", errDenied, e.subject) }
func (e *deniedError) Unwrap() error { return errDenied }

var (
	publishDenied   = regexp.MustCompile(`for Publish to (".*")`)
	subscribeDenied = regexp.MustCompile(`for Subscription to "(.*)"`)
)

// note takes an asynchronous error of the client, and hands a denial to the publishes of its subject.
func (d *denials) note(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := subscribeDenied.FindStringSubmatch(err.Error()); found != nil && strings.HasPrefix(found[1], d.inboxes+".") {
		d.inbox = err.Error()
	}
	found := publishDenied.FindStringSubmatch(err.Error())
	if found == nil {
		return
	}
	subject, err := strconv.Unquote(found[1])
	if err != nil {
		return
	}
	if d.passes == nil || !d.passes(subject) {
		d.last = denial{subject, time.Now()}
		if d.when == nil || len(d.when) >= mostReasons {
			d.when = map[string]time.Time{}
		}
		d.when[subject] = d.last.at
	}
	for w := range d.waiting {
		if !slices.ContainsFunc(w.msgs, func(m Message) bool { return m.Subject == subject }) {
			continue
		}
		select {
		case w.denied <- &deniedError{subject}:
		default:
		}
	}
}

// ErrExceeds: the server has ended the connection since a message was larger than it takes. It
// stored nothing of that message, nor of what came behind it.
var ErrExceeds = errors.New("it is larger than NATS takes, which ended the connection")

// exceeded reports whether the server ended the connection for a message that is too large. The
// server does not name the message; if only one publish waits, exceeded hands it ErrExceeds.
func (d *denials) exceeded(err error) bool {
	if err == nil || !strings.EqualFold(err.Error(), "nats: maximum payload violation") {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 1 {
		for w := range d.waiting {
			if w.each && len(w.msgs) > 1 {
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

// forget forgets the denial of the inbox, which belongs to a connection that is gone.
func (d *denials) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inbox = ""
}

// expectedDenial reports whether err says that the user may not delete a consumer. NATS cannot
// permit it for our consumers alone, and they end by themselves after a short time.
func (c *Conn) expectedDenial(err error) bool {
	found := publishDenied.FindStringSubmatch(err.Error())
	return found != nil && c.isConsumerDelete(strings.TrimPrefix(found[1], `"`))
}

func (c *Conn) isConsumerDelete(subject string) bool {
	return strings.HasPrefix(subject, c.cfg.API()+"CONSUMER.DELETE.")
}

// DeniedSince returns an error that names the subject of the last unexpected denial, if it came at
// or after t; nil else. A request that was denied gets no answer, only its timeout.
func (c *Conn) DeniedSince(t time.Time) error {
	c.denied.mu.Lock()
	defer c.denied.mu.Unlock()
	if last := c.denied.last; last.subject != "" && !last.at.Before(t) {
		return &deniedError{last.subject}
	}
	return nil
}

// explain adds to an error about a missing PubAck that the server denies the inbox, if it does.
func (d *denials) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inbox == "" {
		return err
	}
	return fmt.Errorf("%w (NATS does not permit this user to receive answers: %s)", err, d.inbox)
}

// Explain returns the denial that made a request about a stream time out, if the server reported one
// since that time; else err.
func (c *Conn) Explain(err error, stream string, since time.Time) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	c.denied.mu.Lock()
	for subject, at := range c.denied.when {
		if strings.HasSuffix(subject, "."+stream) && !at.Before(since) {
			c.denied.mu.Unlock()
			return &deniedError{subject}
		}
	}
	c.denied.mu.Unlock()
	return c.denied.explain(err)
}
