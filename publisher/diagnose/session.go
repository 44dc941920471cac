package diagnose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Options say what to examine, and what it has to hold.
type Options struct {
	Client   client.Options
	Streams  streams.Spec
	Journal  Journal
	DataDir  string
	MaxBody  value.Size // the largest body that the ingress takes
	Timeout  time.Duration
	LagLimit LagLimit

	now func() time.Time // for tests; nil: time.Now
}

// Journal is the configuration of the bridge's journal.
type Journal struct {
	Answers  bool // a request is answered when the journal has its events ("ack: journal")
	MaxBytes value.Size
	Reserve  value.Size // free disk that it leaves alone
	Retain   time.Duration
}

func (o Options) time() time.Time {
	if o.now != nil {
		return o.now()
	}
	return time.Now()
}

// embedded reports whether the bridge runs its own NATS.
func (o Options) embedded() bool { return o.Client.NATS.URL == "" }

// Session is a connection to the NATS that is examined. One goroutine may use it.
type Session struct {
	o      Options
	client *client.Client
	js     jetstream.JetStream
	nc     *nats.Conn

	mu   sync.Mutex
	stop context.CancelCauseFunc // of the check that runs
}

// Connect connects, and says how that went. The Session is nil if it did not.
func Connect(ctx context.Context, o Options) (*Session, Check) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c, err := client.Open(ctx, o.Client)
	if err != nil {
		return nil, unreachable(ctx, o, err)
	}
	se := &Session{o: o, client: c, js: c.JetStream(), nc: c.Conn()}
	se.nc.SetErrorHandler(se.onError)
	began := time.Now()
	if err := se.nc.FlushWithContext(ctx); err != nil {
		c.Close()
		return nil, unreachable(ctx, o, err)
	}
	if problem, fix := streams.TooOld(se.nc.ConnectedServerVersion()); problem != "" {
		return se, check(natsCheck, "", Warn, "%s", problem).server("%s", fix)
	}
	return se, check(natsCheck, "", Pass, "nats-server %s (%s) at %s, round trip %s",
		se.nc.ConnectedServerVersion(), se.nc.ConnectedServerName(), se.nc.ConnectedUrlRedacted(), short(time.Since(began)))
}

// Close ends the connection.
func (se *Session) Close() { se.client.Close() }

// deniedError: NATS does not let this user do what a check needs.
type deniedError struct {
	subject string
	listen  bool // it may not subscribe to it
}

func (e deniedError) Error() string { return fmt.Sprintf("the user may not use %s", e.subject) }

// onError ends the check that runs if NATS denied it something. It says so apart
// from the request, which would only run out of time.
func (se *Session) onError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	subject, listen := link.DeniedSubscription(err)
	if !listen {
		subject, _ = link.DeniedSubject(err)
	}
	se.mu.Lock()
	defer se.mu.Unlock()
	if se.stop != nil {
		se.stop(deniedError{cmp.Or(subject, "a subject that it needs"), listen})
	}
}

// within runs a part of the examination with the time that one check has.
func (se *Session) within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, se.o.Timeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	se.mu.Lock()
	se.stop = stop
	se.mu.Unlock()
	err := do(ctx)
	se.mu.Lock()
	se.stop = nil
	se.mu.Unlock()
	var denied deniedError
	if err != nil && errors.As(context.Cause(ctx), &denied) {
		return denied
	}
	return err
}

// failed is the line of a question that got no answer.
func (se *Session) failed(name, of string, err error) Check {
	var denied deniedError
	switch {
	case errors.As(err, &denied):
		return check(name, of, Fail, "%v, with the credentials that doctor was given", denied).server("%s", se.allowance(denied))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return check(name, of, Fail, "no answer in %s", se.o.Timeout).shell("nats account info")
	}
	return check(name, of, Fail, "%v", err).shell("nats account info")
}

// allowance returns the permissions that a user lacks, and nothing more: the whole JetStream
// API would let it remove every stream of the account.
func (se *Session) allowance(denied deniedError) string {
	const besides = `  # besides what it has; or run doctor as the user operator of deployments/nats/permissions.conf`
	if denied.listen {
		return fmt.Sprintf(`permissions: {subscribe: {allow: ["%s.>"]}}`, se.o.Client.NATS.Inbox()) + besides
	}
	subject, p := denied.subject, se.client.Prefix()
	for _, all := range []string{p.All(), p.AllQuarantine(), p.AllReplay()} {
		if strings.HasPrefix(subject, strings.TrimSuffix(all, ">")) {
			subject = all
		}
	}
	return fmt.Sprintf(`permissions: {publish: {allow: ["%s"]}}`, subject) + besides
}

// short rounds a duration for people.
func short(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond)
	case d < 10*time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}
