package ingress_test

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// TestUnserved: what net/http refuses by itself is counted by its reason, and none of it is
// logged.
func TestUnserved(t *testing.T) {
	const post = "POST /webhook HTTP/1.1\r\nHost: h\r\n"
	for _, tt := range []struct{ name, sent, reason string }{
		{"headers-too-large", post + "X: " + strings.Repeat("canary", 20_000) + "\r\n\r\n", "headers-too-large"},
		{"header-without-colon", post + "canary canary\r\n\r\n", "malformed"},
		{"header-with-blank", post + "X canary: y\r\n\r\n", "malformed"},
		{"blank-in-the-path", "POST /webhook  HTTP/1.1\r\nHost: h\r\n\r\n", "malformed"},
		{"no-host", "POST /webhook HTTP/1.1\r\n\r\n", "malformed"},
		{"two-hosts", post + "Host: i\r\n\r\n", "malformed"},
		{"two-lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed"},
		{"length-canary", post + "Content-Length: canary\r\n\r\n", "malformed"},
		{"not-http", "canary\r\n\r\n", "malformed"},
		{"proxy-protocol-1", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + post + "\r\n", "proxy-protocol"},
		{"proxy-protocol-2", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x02" + post + "\r\n", "proxy-protocol"},
		{"tls", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", "tls"},
		{"http-2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "http-2"},
		{"http-2-with-a-host", "PRI * HTTP/2.0\r\nHost: h\r\n\r\n", "http-2"},
		{"http-3", "POST /webhook HTTP/3.0\r\nHost: h\r\n\r\n", "http-version"},
		{"transfer-encoding", post + "Transfer-Encoding: gzip\r\n\r\n", "transfer-encoding"},
		{"expectation", post + "Expect: canary\r\nContent-Length: 0\r\n\r\n", "expectation"},
		{"broken-off", post + "X: can", "incomplete"},
		{"after-a-request", post + "Authorization: Bearer " + token + "\r\nContent-Length: 0\r\n\r\ncanary\r\n\r\n", "malformed"},
		{"too-many-headers", post + strings.Repeat("canary:\r\n", 100), "too-many-headers"},
		{"length-and-chunks", post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous-length"},
		{"chunks-and-length", post + "tRANSFER-eNCODING:chunked\ncONTENT-lENGTH:1\n\n", "ambiguous-length"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newSetup().start(t)
			conn := dial(t, b.addr)
			io.WriteString(conn, tt.sent)
			if tt.reason == "incomplete" {
				conn.(*net.TCPConn).CloseWrite()
			}
			io.ReadAll(conn)
			want := `treble_bridge_requests_unserved_total{reason="` + tt.reason + `"} 1`
			b.awaitMetric(t, want)
			if got := unservedTotal(b.metrics(t)); got != 1 {
				t.Errorf("got %d in all, want %s alone", got, want)
			}
			b.awaitLog(t, `"reason":"`+tt.reason+`"`)
			if log := b.logs.String(); strings.Contains(log, "canary") || strings.Contains(log, `"hint":""`) {
				t.Errorf("log: got %s, want a hint, and nothing of what came", log)
			}
		})
	}
}

// What is served, or said nothing at all, is not among the unserved.
func TestServedIsNotUnserved(t *testing.T) {
	b := newSetup().start(t)
	b.post(t, "/webhook", read)
	b.post(t, "/nothing", read)
	b.sendRaw(t, "")                                                               // a health check of TCP
	b.sendRaw(t, "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n") // 401
	b.sendRaw(t, authorized+"Expect: 100-continue\r\n"+
		fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(read), read))
	eventually(t, "two are accepted and one is kept", func() bool { return len(b.accepter.got()) == 3 })
	if got := unservedTotal(b.metrics(t)); got != 0 {
		t.Errorf("got %d", got)
	}
}

// unservedTotal is the sum over all reasons.
func unservedTotal(metrics string) (sum int) {
	for _, m := range regexp.MustCompile(`requests_unserved_total\{.*\} (\d+)`).FindAllStringSubmatch(metrics, -1) {
		n, _ := strconv.Atoi(m[1])
		sum += n
	}
	return sum
}

// TestHTTP2IsAnswered: as net/http answers what it does not speak, so that the client says why it fails.
func TestHTTP2IsAnswered(t *testing.T) {
	b := newSetup().start(t)
	got := b.sendRaw(t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 505 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
	if b.has(t, "treble_bridge_requests_total{") {
		t.Error("it is counted among the requests")
	}
}

// TestCountersBeginAtZero: an alarm on a rise misses the first event of a counter that is not
// there before it.
func TestCountersBeginAtZero(t *testing.T) {
	metrics := newSetup().start(t).metrics(t)
	for name, labels := range map[string][]string{
		"forgiven": {`{slip="path",source="default"}`, `{slip="content-type",source="default"}`, `{slip="content-encoding",source="default"}`},
		"unserved": {`{reason="proxy-protocol"}`, `{reason="tls"}`, `{reason="http-2"}`, `{reason="incomplete"}`, `{reason="expectation"}`,
			`{reason="headers-too-large"}`, `{reason="transfer-encoding"}`, `{reason="http-version"}`, `{reason="malformed"}`,
			`{reason="too-many-headers"}`, `{reason="ambiguous-length"}`,
			`{reason="plaintext"}`, `{reason="tls-handshake"}`, `{reason="proxy-header"}`},
	} {
		for _, l := range labels {
			if want := "treble_bridge_requests_" + name + "_total" + l + " 0\n"; !strings.Contains(metrics, want) {
				t.Errorf("want %s in\n%s", want, metrics)
			}
		}
		if got := strings.Count(metrics, "requests_"+name+"_total{"); got != len(labels) {
			t.Errorf("got %d of %s, want %d", got, name, len(labels))
		}
	}
}

func TestUnservedIsLoggedOnceASecond(t *testing.T) {
	b := newSetup().start(t)
	const n = 50
	start := time.Now()
	for range n {
		b.sendRaw(t, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n")
	}
	b.awaitMetric(t, fmt.Sprintf(`requests_unserved_total{reason="proxy-protocol"} %d`, n))
	most := int(time.Since(start)/time.Second) + 1
	if got := strings.Count(b.logs.String(), "refused before it was a request"); got < 1 || got > most {
		t.Errorf("got %d lines, want 1 to %d", got, most)
	}
}

// TestBeginningIsKept: of a body with the right credentials that is not received as a
// whole, the beginning is kept.
func TestBeginningIsKept(t *testing.T) {
	const begun = `{"session_id":"s1","text":"`
	for _, tt := range []struct {
		name, sent string
		reason     schema.Reason
		status     string
		kept       string
	}{
		{"broken-off", authorized + "Content-Length: 500\r\n\r\n" + begun, schema.ReasonBodyIncomplete, "", begun},
		{"broken-off-behind-an-event", head(token, len(read)+1) + read, schema.ReasonBodyIncomplete, "", read},
		{"chunks-malformed", authorized + "Transfer-Encoding: chunked\r\n\r\n1b\r\n" + begun + "\r\nzz\r\n", schema.ReasonBodyIncomplete, "400", begun},
		{"announced-too-large", authorized + "Content-Length: 5000000000\r\n\r\n" + begun, schema.ReasonBodyTooLarge, "413", begun},
		{"no-credentials", "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000000\r\n\r\n" + begun, "", "401", ""},
		{"nothing-came", authorized + "Content-Length: 5\r\n\r\n", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.MaxBody = 100_000
			b := s.start(t)
			if got := b.sendRaw(t, tt.sent); tt.status != "" && !strings.HasPrefix(got, "HTTP/1.1 "+tt.status) {
				t.Errorf("got %q, want %s", got, tt.status)
			}
			b.awaitLog(t, "refused")
			got := b.accepter.got()
			if tt.reason == "" {
				if len(got) != 0 {
					t.Errorf("kept: %q", got[0].Body)
				}
				return
			}
			b.awaitMetric(t, fmt.Sprintf(`outcome="%s",source="default"} 1`, tt.reason))
			if len(got) != 1 || got[0].Rejection == nil || got[0].Rejection.Reason != tt.reason || string(got[0].Body) != tt.kept {
				t.Fatalf("got %+v, want %s with %q", got, tt.reason, tt.kept)
			}
			if v := got[0].Rejection.Violations[0].Problem; !strings.Contains(v, fmt.Sprintf("Only the first %d bytes are kept", len(tt.kept))) {
				t.Errorf("violation: got %q", v)
			}
		})
	}
}
