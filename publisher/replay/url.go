package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// URLTarget says where and how to POST. The address and the headers may be
// secrets: neither is in errors or records, but for scheme and host.
type URLTarget struct {
	URL     *url.URL
	Header  http.Header
	Timeout time.Duration // of one request
	Retries int           // of one event, behind the first attempt
}

// host returns the part of the address that may be shown.
func (u URLTarget) host() string { return u.URL.Scheme + "://" + u.URL.Host }

const (
	firstBackoff = 500 * time.Millisecond
	mostBackoff  = 30 * time.Second
	mostWait     = 10 * time.Minute // however long a Retry-After asks for
)

// urlTarget posts the events, one after the other, each at least once.
type urlTarget struct {
	URLTarget
	run    string
	client *http.Client
	sleep  func(context.Context, time.Duration) error
	progress
}

func newURLTarget(u URLTarget, run string, at position) *urlTarget {
	return &urlTarget{URLTarget: u, run: run, progress: progress{at: at}, sleep: client.Sleep, client: &http.Client{
		Timeout:   u.Timeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		// The headers may carry a secret of this address: a redirect would send them to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (t *urlTarget) begin(context.Context) error  { return nil }
func (t *urlTarget) settle(context.Context) error { return nil }

func (t *urlTarget) close() error {
	t.client.CloseIdleConnections()
	return nil
}

func (t *urlTarget) send(ctx context.Context, e event) error {
	backoff := firstBackoff
	for attempt := 0; ; attempt++ {
		wait, err := t.post(ctx, e)
		if err == nil {
			t.has(e)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isFinal(err) || attempt >= t.Retries {
			return finalError{fmt.Errorf("post event %s, at sequence %d, to %s: %w", e.id, e.Sequence, t.host(), err)}
		}
		if wait == 0 {
			wait = backoff
			backoff = min(2*backoff, mostBackoff)
		}
		if err := t.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// post tries once. Wait is what the answer's Retry-After asks for.
func (t *urlTarget) post(ctx context.Context, e event) (wait time.Duration, err error) {
	// A request that was begun is finished, or the event would come again without
	// need. The timeout bounds it.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, t.URL.String(), bytes.NewReader(e.Data))
	if err != nil {
		return 0, finalError{errors.New("no valid address")}
	}
	h := http.Header{}
	for _, name := range []string{schema.HeaderReplayRun, schema.HeaderReplaySequence, schema.HeaderReplayStored} {
		h.Set(name, header(t.run, e)[name][0])
	}
	h.Set("Content-Type", schema.ContentType)
	for name, values := range t.Header {
		h[name] = values
	}
	if host := h.Get("Host"); host != "" {
		req.Host = host
	}
	req.Header = h
	resp, err := t.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address
		}
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // or the connection is not used again
	switch {
	case resp.StatusCode/100 == 2:
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return retryAfter(resp.Header.Get("Retry-After"), time.Now()), fmt.Errorf("answered %d", resp.StatusCode)
	}
	return 0, finalError{fmt.Errorf("answered %d", resp.StatusCode)}
}

// retryAfter reads seconds or an HTTP date; 0 if it is neither.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, mostWait)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(0, at.Sub(now)), mostWait)
	}
	return 0
}
