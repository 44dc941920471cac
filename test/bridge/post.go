package bridge

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Request is a POST of a body with a good token, but for what is set.
type Request struct {
	Method, Path, Body string
	Header             map[string]string // in place of the usual ones; "" takes one away
	Chunked            bool
}

// Reply is the response to a request.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// client waits longer than a bridge takes to answer in the worst case.
var client = &http.Client{Timeout: 30 * time.Second}

func do(req *http.Request) (Reply, error) {
	resp, err := client.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return Reply{resp.StatusCode, resp.Header, string(b)}, err
}

// Send sends a request to a listener, such as 127.0.0.1:8080.
func (r Request) Send(addr string) (Reply, error) {
	var body io.Reader = strings.NewReader(r.Body)
	if r.Chunked {
		body = io.MultiReader(body) // hides the length from net/http
	}
	req, err := http.NewRequest(cmp.Or(r.Method, http.MethodPost), "http://"+addr+cmp.Or(r.Path, "/webhook"), body)
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	for name, value := range r.Header {
		if req.Header.Del(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	return do(req)
}

// Post sends a request to the bridge.
func (p *Process) Post(t *testing.T, r Request) Reply {
	t.Helper()
	reply, err := r.Send(p.Addrs.Ingress)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// PostEvent posts an event and wants it accepted.
func (p *Process) PostEvent(t *testing.T, body string) {
	t.Helper()
	p.Post(t, Request{Body: body}).Accepted(t)
}

// Accepted fails the test unless the event was accepted, with the reply that changes nothing in a session.
func (r Reply) Accepted(t *testing.T) {
	t.Helper()
	if r.Status != http.StatusOK || strings.TrimSpace(r.Body) != "{}" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %q, want 200 application/json {}", r.Status, r.Header.Get("Content-Type"), r.Body)
	}
}

// SentEvent is a posted event and its answer.
type SentEvent struct {
	Session string
	Reply   Reply
	Err     error
}

// PostAll posts n events with sessions of their own at the same time, each on a connection of its own, and
// returns where the answers arrive.
func PostAll(addr, prefix string, n int) <-chan SentEvent {
	sent := make(chan SentEvent, n)
	for i := range n {
		go func() {
			session := fmt.Sprintf("%s-%02d", prefix, i)
			r, err := Request{Body: ReadEvent(session, i, 20)}.Send(addr)
			sent <- SentEvent{session, r, err}
		}()
	}
	return sent
}

// ReadEvent returns the body of a read message, with a text of so many bytes. Each number has a time of its own.
func ReadEvent(session string, number, size int) string {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(number) * time.Second)
	text := strings.Repeat("Hello! ", size/7)
	return fmt.Sprintf(`{"country_code":"+57","cellphone":"3000000000","session_id":%q,"conversation_id":34820,`+
		`"question":{"type":"open","text":%q},"sent_at":"2026-01-02 03:04:05.000001","sent_text":"Hello!",`+
		`"user_session_keys":[],"read_at":%q}`, session, text, at.Format(time.DateTime))
}

// Payloads returns the names of the example payloads, sorted.
func Payloads(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(Testdata, "payloads"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Payload returns the example payload of a name, byte for byte.
func Payload(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Testdata, "payloads", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
