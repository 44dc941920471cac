package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// load says how many requests are sent, and how fast.
type load struct {
	count       int
	rate        float64 // a second; 0: no limit
	concurrency int
	timeout     time.Duration // of one request
}

func (l load) check() error {
	switch {
	case l.count < 1:
		return usagef("--count: use a number above 0")
	case l.rate < 0:
		return usagef("--rate: use a number above 0, or 0 for no limit")
	case l.concurrency < 1 || l.concurrency > 10000:
		return usagef("--concurrency: use a number from 1 to 10000")
	case l.timeout <= 0:
		return usagef("--timeout: use a duration above 0, such as 10s")
	}
	return nil
}

// result is what became of one request.
type result struct {
	status string // the HTTP status, or what kept it from being one; "" if nothing was to be sent
	ok     bool
	took   time.Duration
	reply  string // of a request that was not answered with 200
}

// run calls do count times, at the given rate, by concurrency workers, and
// after each call step, one call at a time. When ctx ends no new call begins;
// those that run are waited for.
func (l load) run(ctx context.Context, do func(context.Context) result, step func(result)) summary {
	tickets := make(chan struct{})
	results := make(chan result)
	go l.issue(ctx, tickets)
	var workers sync.WaitGroup
	for range min(l.concurrency, l.count) {
		workers.Go(func() {
			for range tickets {
				// A request that was begun is finished: its event may be
				// stored already. The timeout bounds it.
				results <- do(context.WithoutCancel(ctx))
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	began := time.Now()
	sum := summary{Statuses: map[string]int{}}
	for r := range results {
		if r.status == "" {
			continue
		}
		sum.add(r)
		step(r)
	}
	sum.finish(time.Since(began))
	return sum
}

// issue hands out count tickets at the rate, or fewer if ctx ends.
func (l load) issue(ctx context.Context, tickets chan<- struct{}) {
	defer close(tickets)
	began := time.Now()
	for i := range l.count {
		if l.rate > 0 {
			due := began.Add(time.Duration(float64(i) / l.rate * float64(time.Second)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
		}
		select {
		case <-ctx.Done():
			return
		case tickets <- struct{}{}:
		}
	}
}

// poster posts bodies to one URL.
type poster struct {
	url    string
	header http.Header
	client *http.Client
}

// newPostClient returns a client for so many requests at the same time, each of which may take
// as long as the timeout.
func newPostClient(timeout time.Duration, connections int) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: connections,
			ForceAttemptHTTP2:   true,
		},
		// Treble is not known to follow redirects, and the secret stays here.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// longestReply is as much of an answer as is shown.
const longestReply = 2 << 10

func (p poster) post(ctx context.Context, body []byte) result {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return result{status: "invalid request"}
	}
	req.Header = p.header.Clone()
	began := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return result{status: failure(err), took: time.Since(began)}
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body) // or the connection is not used again
	}
	r := result{status: strconv.Itoa(resp.StatusCode), took: time.Since(began), reply: string(reply)}
	if err != nil {
		r.status = failure(err)
	}
	r.ok = err == nil && resp.StatusCode == http.StatusOK
	return r
}

// failure names what went wrong, in words few enough to count by.
func failure(err error) string {
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &op) && op.Op == "dial":
		return "cannot connect"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return "connection failed"
}
