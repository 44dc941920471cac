package ingress

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

const problemContentType = "application/problem+json"

// lingerTimeout is how long the rest of a body is taken in, and dropped, after
// an answer that did not wait for it. Without it a client that is still
// sending might never see the answer.
const lingerTimeout = time.Second

// refuse answers with a problem. The only place that does.
func (s *Server) refuse(c echo.Context, p *problem) {
	x := exchangeOf(c)
	x.problem = p
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	maps.Copy(header, p.header)
	if r := c.Request(); !x.bodyRead && r.Body != nil && r.Body != http.NoBody {
		// The body is not wanted. Close, rather than wait for its end to take
		// the next request after it.
		header.Set("Connection", "close")
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(lingerTimeout))
	}
	s.write(c, p.status, problemContentType, p.body())
}

// write sends a complete answer. It leaves when the handler returns, so after
// the log line and the metrics. A client that does not take it loses its
// connection after replyTimeout.
func (s *Server) write(c echo.Context, status int, contentType string, body []byte) {
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(replyTimeout))
	header := c.Response().Header()
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	exchangeOf(c).status = status
	// An error says that the client is gone, which nothing can be done about:
	// what was decided stays decided.
	_ = c.Blob(status, contentType, body)
}
