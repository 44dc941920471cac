package e2e

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// canaryRequest is a request that gets canaries into its query and headers, and what
// the bridge must answer.
type canaryRequest struct {
	name string
	bridge.Request
	parameter string // a secret one, in the query
	status    int
}

func newCanaryRequest(name, body string, status int) canaryRequest {
	return canaryRequest{name: name, Request: bridge.Request{Body: body}, status: status}
}

// aBody is an event with canaries in it. Its text makes it another event.
func aBody(text string) string {
	return fmt.Sprintf(`{"country_code":"+57","cellphone":%q,"session_id":"s-1","conversation_id":1,`+
		`"actual_response":"%s %s","responded_at":"2026-01-01 00:00:00","user_session_keys":[{"key":%q,"value":%[3]q}]}`,
		personal.phone.value, text, inJSON(personal.text.value), personal.key.value)
}

func inJSON(s string) string { return strings.Trim(fmt.Sprintf("%q", s), `"`) }

// canaryRequests returns one for each way to be answered that needs no fault of NATS.
func canaryRequests() []canaryRequest {
	body := aBody("one")
	noSession := strings.Replace(body, `"session_id":"s-1",`, "", 1)
	text := inJSON(personal.text.value)
	large := strings.Repeat(personal.phone.value+" "+text, maxBody/20)
	tooLargeForNATS := strings.Replace(body, text, text+strings.Repeat(personal.phone.value, natsMaxPayload/10), 1)
	return []canaryRequest{
		{"accepted", bridge.Request{Body: body}, "", 200},
		{"repeated", bridge.Request{Body: body}, "", 200},
		{"secret-header", bridge.Request{Body: aBody("two"), Header: map[string]string{"Authorization": "", "X-Door": secret.header.value}}, "", 200},
		{"secret-from-file", bridge.Request{Body: aBody("three"), Header: bearer(secret.fromFile.value)}, "", 200},
		{"basic", bridge.Request{Body: aBody("four"), Header: basic(secret.password.value)}, "", 200},
		{"parameter", bridge.Request{Body: aBody("five"), Header: map[string]string{"Authorization": ""}}, secret.parameter.value, 200},
		{"signed", bridge.Request{Body: aBody("six"), Header: signed(secret.signing.value, aBody("six"))}, "", 200},
		{"wrong-basic", bridge.Request{Body: body, Header: basic(secret.wrong.value)}, "", 401},
		{"wrong-parameter", bridge.Request{Body: body, Header: map[string]string{"Authorization": ""}}, secret.wrong.value, 401},
		{"wrong-signature", bridge.Request{Body: body, Header: signed(secret.wrong.value, body)}, "", 401},
		{"refused-basic", bridge.Request{Body: strings.TrimSuffix(body, "}"), Header: basic(secret.password.value)}, "", 400},
		{"lost-with-a-parameter", bridge.Request{Path: "/elsewhere", Body: body, Header: map[string]string{"Authorization": ""}}, secret.parameter.value, 404},
		{"invalid-utf8", bridge.Request{Body: strings.Replace(body, text, text+"\xff", 1)}, "", 200},
		{"unknown-event-type", bridge.Request{Body: fmt.Sprintf(`{"event_type":%q,"event_id":"+57%s"}`, personal.text.value, personal.phone.value)}, "", 200},
		{"wrong-types", bridge.Request{Body: fmt.Sprintf(`{"session_id":"s","read_at":%q,"cellphone":[%[1]q],"sent_at":{%[1]q:1},"country_code":%[1]q}`, personal.text.value)}, "", 200},
		{"keys-twice", bridge.Request{Body: strings.Replace(body, "{", `{"cellphone":"`+personal.phone.value+`","`+personal.key.value+`":1,"`+personal.key.value+`":2,`, 1)}, "", 200},
		{"cut-off", bridge.Request{Body: strings.TrimSuffix(body, "}")}, "", 400},
		{"not-json", bridge.Request{Body: personal.text.value}, "", 400},
		{"key-not-json", bridge.Request{Body: `{"` + text + `":` + personal.phone.value + `x}`}, "", 400},
		{"scalar", bridge.Request{Body: `"` + text + `"`}, "", 400},
		{"array-of-scalars", bridge.Request{Body: `[` + personal.phone.value + `]`}, "", 400},
		{"too-deep", bridge.Request{Body: strings.Repeat(`{"`+personal.key.value+`":`, 101) + "1" + strings.Repeat("}", 101)}, "", 400},
		{"no-session", bridge.Request{Body: noSession}, "", 422},
		{"no-session-in-array", bridge.Request{Body: "[" + body + "," + noSession + "]"}, "", 422},
		{"wrong-secret", bridge.Request{Body: body, Header: bearer(secret.wrong.value)}, "", 401},
		{"wrong-secret-header", bridge.Request{Body: body, Header: map[string]string{"Authorization": "", "X-Door": secret.wrongHeader.value}}, "", 401},
		{"other-scheme", bridge.Request{Body: body, Header: map[string]string{"Authorization": "Basic " + secret.wrong.value}}, "", 401},
		{"unknown-path", bridge.Request{Path: "/" + personal.path.value + "/" + url.PathEscape(personal.text.value), Body: body}, "", 404},
		{"get", bridge.Request{Method: http.MethodGet}, "", 405},
		{"options", bridge.Request{Method: http.MethodOptions}, "", 405},
		{"content-type", bridge.Request{Body: body, Header: map[string]string{"Content-Type": "text/" + personal.key.value}}, "", 200},
		{"content-encoding", bridge.Request{Body: body, Header: map[string]string{"Content-Encoding": personal.key.value}}, "", 200},
		{"content-type-not-json", bridge.Request{Body: personal.text.value, Header: map[string]string{"Content-Type": "text/" + personal.key.value}}, "", 415},
		{"content-encoding-not-json", bridge.Request{Body: personal.text.value, Header: map[string]string{"Content-Encoding": personal.key.value}}, "", 415},
		{"too-large", bridge.Request{Body: large}, "", 413},
		{"too-large-chunked", bridge.Request{Body: large, Chunked: true}, "", 413},
		{"too-large-for-nats", bridge.Request{Body: tooLargeForNATS}, "", 413},
	}
}

func basic(password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("treble:"+password))}
}

func signed(key, body string) map[string]string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return map[string]string{"Authorization": "", "X-Sum": hex.EncodeToString(mac.Sum(nil))}
}

func bearer(s string) map[string]string { return map[string]string{"Authorization": "Bearer " + s} }

// request sends one, and looks for canaries in the reply.
func (a *canaryBridge) request(t *testing.T, v canaryRequest) {
	t.Helper()
	r, err := a.send(v)
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	if r.Status != v.status {
		t.Errorf("%s: got %d %s, want %d", v.name, r.Status, r.Body, v.status)
	}
	expectNone(t, "the reply to "+v.name, fmt.Sprint(r.Header)+"\n"+r.Body, everyCanary()...)
}

func (a *canaryBridge) send(v canaryRequest) (bridge.Reply, error) {
	query := url.Values{"q": {personal.query.value, personal.text.value}, "token": {secret.query.value}}
	if v.parameter != "" {
		query.Set("door", v.parameter)
	}
	v.Path = cmp.Or(v.Path, "/webhooks/on-"+personal.path.value) + "?" + query.Encode()
	header := map[string]string{
		"Authorization": "Bearer " + secret.bearer.value,
		"Cookie":        "session=" + secret.cookie.value,
		"X-Api-Key":     secret.wrongHeader.value,
		"X-Door":        secret.wrongHeader.value,
		"X-Proxy-Token": secret.wrong.value, // one that the bridge knows nothing of
		"X-Note":        personal.header.value,
		"User-Agent":    personal.header.value,
		"Treble-Test":   personal.header.value, // not of the form that a run has
	}
	maps.Copy(header, v.Header)
	v.Header = header
	return v.Send(a.Addrs.Ingress)
}

// malformed sends what net/http refuses before any handler.
func (a *canaryBridge) malformed(t *testing.T) {
	for _, head := range []string{
		"GARBAGE " + personal.text.value,
		"POST /" + personal.path.value + " HTTP/9.9\r\nX-Door: " + secret.header.value + "\r\n\r\n",
		"POST /" + personal.path.value + " HTTP/1.1\r\nHost: x\r\n" + secret.wrong.value + "\r\n\r\n",
	} {
		conn := a.dial(t)
		fmt.Fprintf(conn, "%s\r\n\r\n", head)
		b, err := io.ReadAll(conn)
		if err != nil && len(b) == 0 {
			t.Errorf("malformed request: no answer: %v", err)
		}
		expectNone(t, "the answer to a malformed request", string(b), everyCanary()...)
		conn.Close()
	}
}

// brokenOff ends in the middle of a body.
func (a *canaryBridge) brokenOff(t *testing.T) {
	conn := a.dial(t)
	fmt.Fprintf(conn, "POST /webhook?%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n%s",
		secret.query.value, secret.bearer.value, aBody("broken off")[:100])
	conn.Close()
	a.Await("the broken body is counted", bridge.Exactly(1, func() int {
		return a.Metrics(t).Sum("treble_bridge_requests_total", `outcome="body-incomplete"`)
	}))
}

func (a *canaryBridge) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", a.Addrs.Ingress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
