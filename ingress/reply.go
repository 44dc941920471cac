package ingress

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// replyTimeout is the time that a client may take to take an answer.
const replyTimeout = 10 * time.Second

const problemContentType = "application/problem+json"

// lingerTimeout is the time that the rest of a body is taken in, and dropped, after
// an answer that did not wait for it. Without it a client that is still
// sending might never see the answer.
const lingerTimeout = time.Second

// refuse answers with a problem. The only place that does.
func (s *snapshot) refuse(x *exchange, p *problem) {
	c := x.Context
	x.problem = p
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	maps.Copy(header, p.header)
	if !x.trusted {
		// Nobody who shows no credential keeps a connection, nor sends more on it before the
		// answer: a request behind this one would not have been seen by head.
		header.Set("Connection", "close")
	}
	if r := c.Request(); !x.bodyRead && r.Body != nil && r.Body != http.NoBody {
		// The body is not wanted. Close, rather than wait for its end to take
		// the next request after it.
		header.Set("Connection", "close")
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(lingerTimeout))
	}
	s.write(x, p.status, newReply(problemContentType, p.body()))
}

// reply is a complete answer but for its status. Its headers are made once.
type reply struct {
	body        []byte
	contentType []string
	length      []string
}

func newReply(contentType string, body []byte) reply {
	return reply{body, []string{contentType}, []string{strconv.Itoa(len(body))}}
}

var noSniff = []string{"nosniff"}

// write sends a complete answer. It leaves when the handler returns, so after
// the log line and the metrics. A client that does not take it loses its
// connection after replyTimeout.
func (s *snapshot) write(x *exchange, status int, a reply) {
	w := x.Response()
	_ = http.NewResponseController(w.Writer).SetWriteDeadline(time.Now().Add(replyTimeout))
	header := w.Header()
	header[echo.HeaderContentType] = a.contentType
	header[echo.HeaderContentLength] = a.length
	header[echo.HeaderXContentTypeOptions] = noSniff
	x.status = status
	w.WriteHeader(status)
	// An error says that the client is gone, which nothing can be done about:
	// what was decided stays decided.
	_, _ = w.Write(a.body)
}

// deadlines gives requests the contexts that end their Accept. Those that begin within a short
// time share one: a context and a timer for each request cost more than reading its
// body does.
type deadlines struct {
	timeout time.Duration

	mu      sync.Mutex
	current context.Context
	until   time.Time // a request that begins later gets another one
}

// share is the part of the timeout that a context may have used when a request gets it: its Accept
// may end so much before the timeout.
const share = 64

// context returns one that ends when the timeout is over, or up to a 64th of it before.
func (d *deadlines) context() context.Context {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil || !now.Before(d.until) {
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(d.timeout))
		context.AfterFunc(ctx, cancel)
		d.current, d.until = ctx, now.Add(d.timeout/share)
	}
	return d.current
}
