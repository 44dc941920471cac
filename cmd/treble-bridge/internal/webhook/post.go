package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// Result is the outcome of one request.
type Result struct {
	Status string // the HTTP status, or the failure in a few words; "" if nothing was to be sent
	OK     bool
	Took   time.Duration
	Reply  string // of a request that was not answered with 200
}

// Poster posts bodies to one URL.
type Poster struct {
	URL    string
	Header http.Header
	Signer *auth.Signer // nil: the header has what lets the requests in
	Client *http.Client
}

// NewClient returns a client for so many requests at the same time, each of which may take
// as long as the timeout.
func NewClient(timeout time.Duration, connections int) *http.Client {
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

// longestReply bounds the part of an answer that is shown.
const longestReply = 2 << 10

// Post posts a body once.
func (p Poster) Post(ctx context.Context, body []byte) Result {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return Result{Status: "invalid request"}
	}
	req.Header = p.Header.Clone()
	if err := p.Signer.Sign(req, body, time.Now()); err != nil {
		return Result{Status: "cannot be signed"}
	}
	began := time.Now()
	resp, err := p.Client.Do(req)
	if err != nil {
		return Result{Status: failure(err), Took: time.Since(began)}
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body) // or the connection is not used again
	}
	r := Result{Status: strconv.Itoa(resp.StatusCode), Took: time.Since(began), Reply: string(reply)}
	if err != nil {
		r.Status = failure(err)
	}
	r.OK = err == nil && resp.StatusCode == http.StatusOK
	return r
}

// failure sorts an error into a few words, by which results are counted.
func failure(err error) string {
	op, isOp := errors.AsType[*net.OpError](err)
	switch timeout, ok := errors.AsType[net.Error](err); {
	case ok && timeout.Timeout():
		return "timeout"
	case isOp && op.Op == "dial":
		return "cannot connect"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return "connection failed"
}
