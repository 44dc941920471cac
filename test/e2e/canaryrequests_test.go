package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// canaryRequest is a request with canaries in its path, query and headers, and what
// the bridge must answer.
type canaryRequest struct {
	name, method, path, body string
	header                   map[string]string // in place of the usual ones; "" takes one away
	parameter                string            // a secret one, in the query
	chunked                  bool
	status                   int
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
		{name: "accepted", body: body, status: 200},
		{name: "repeated", body: body, status: 200},
		{name: "secret-header", body: aBody("two"), header: map[string]string{"Authorization": "", "X-Door": secret.header.value}, status: 200},
		{name: "secret-from-file", body: aBody("three"), header: bearer(secret.fromFile.value), status: 200},
		{name: "basic", body: aBody("four"), header: basic(secret.password.value), status: 200},
		{name: "parameter", body: aBody("five"), header: map[string]string{"Authorization": ""}, parameter: secret.parameter.value, status: 200},
		{name: "signed", body: aBody("six"), header: signed(secret.signing.value, aBody("six")), status: 200},
		{name: "wrong-basic", body: body, header: basic(secret.wrong.value), status: 401},
		{name: "wrong-parameter", body: body, header: map[string]string{"Authorization": ""}, parameter: secret.wrong.value, status: 401},
		{name: "wrong-signature", body: body, header: signed(secret.wrong.value, body), status: 401},
		{name: "refused-basic", body: strings.TrimSuffix(body, "}"), header: basic(secret.password.value), status: 400},
		{name: "lost-with-a-parameter", path: "/elsewhere", body: body, header: map[string]string{"Authorization": ""}, parameter: secret.parameter.value, status: 404},
		{name: "invalid-utf8", body: strings.Replace(body, text, text+"\xff", 1), status: 200},
		{name: "unknown-event-type", body: fmt.Sprintf(`{"event_type":%q,"event_id":"+57%s"}`, personal.text.value, personal.phone.value), status: 200},
		{name: "wrong-types", body: fmt.Sprintf(`{"session_id":"s","read_at":%q,"cellphone":[%[1]q],"sent_at":{%[1]q:1},"country_code":%[1]q}`, personal.text.value), status: 200},
		{name: "keys-twice", body: strings.Replace(body, "{", `{"cellphone":"`+personal.phone.value+`","`+personal.key.value+`":1,"`+personal.key.value+`":2,`, 1), status: 200},
		{name: "cut-off", body: strings.TrimSuffix(body, "}"), status: 400},
		{name: "not-json", body: personal.text.value, status: 400},
		{name: "key-not-json", body: `{"` + text + `":` + personal.phone.value + `x}`, status: 400},
		{name: "scalar", body: `"` + text + `"`, status: 400},
		{name: "array-of-scalars", body: `[` + personal.phone.value + `]`, status: 400},
		{name: "too-deep", body: strings.Repeat(`{"`+personal.key.value+`":`, 101) + "1" + strings.Repeat("}", 101), status: 400},
		{name: "no-session", body: noSession, status: 422},
		{name: "no-session-in-array", body: "[" + body + "," + noSession + "]", status: 422},
		{name: "wrong-secret", body: body, header: bearer(secret.wrong.value), status: 401},
		{name: "wrong-secret-header", body: body, header: map[string]string{"Authorization": "", "X-Door": secret.wrongHeader.value}, status: 401},
		{name: "other-scheme", body: body, header: map[string]string{"Authorization": "Basic " + secret.wrong.value}, status: 401},
		{name: "unknown-path", path: "/" + personal.path.value + "/" + url.PathEscape(personal.text.value), body: body, status: 404},
		{name: "get", method: http.MethodGet, status: 405},
		{name: "options", method: http.MethodOptions, status: 405},
		{name: "content-type", body: body, header: map[string]string{"Content-Type": "text/" + personal.key.value}, status: 200},
		{name: "content-encoding", body: body, header: map[string]string{"Content-Encoding": personal.key.value}, status: 200},
		{name: "content-type-not-json", body: personal.text.value, header: map[string]string{"Content-Type": "text/" + personal.key.value}, status: 415},
		{name: "content-encoding-not-json", body: personal.text.value, header: map[string]string{"Content-Encoding": personal.key.value}, status: 415},
		{name: "too-large", body: large, status: 413},
		{name: "too-large-chunked", body: large, chunked: true, status: 413},
		{name: "too-large-for-nats", body: tooLargeForNATS, status: 413},
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
	var body io.Reader = strings.NewReader(v.body)
	if v.chunked {
		body = io.MultiReader(body) // hides the length from net/http
	}
	method, path := v.method, v.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/webhooks/on-" + personal.path.value
	}
	query := url.Values{"q": {personal.query.value, personal.text.value}, "token": {secret.query.value}}
	if v.parameter != "" {
		query.Set("door", v.parameter)
	}
	req, err := http.NewRequest(method, "http://"+a.Addrs.Ingress+path+"?"+query.Encode(), body)
	if err != nil {
		return bridge.Reply{}, err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + secret.bearer.value,
		"Content-Type":  "application/json",
		"Cookie":        "session=" + secret.cookie.value,
		"X-Api-Key":     secret.wrongHeader.value,
		"X-Door":        secret.wrongHeader.value,
		"X-Proxy-Token": secret.wrong.value, // one that the bridge knows nothing of
		"X-Note":        personal.header.value,
		"User-Agent":    personal.header.value,
		"Treble-Test":   personal.header.value, // not of the form that a run has
	} {
		req.Header.Set(name, value)
	}
	for name, value := range v.header {
		if req.Header.Del(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return bridge.Reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return bridge.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}, err
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
	a.Await("the broken body is counted", func(context.Context) error {
		if n := a.Metrics(t).Sum("treble_bridge_requests_total", `outcome="body-incomplete"`); n != 1 {
			return fmt.Errorf("got %d, want 1", n)
		}
		return nil
	})
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
