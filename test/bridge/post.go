package bridge

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/containers"
)

// Request is a POST of a body with a good token, but for what is set.
type Request struct {
	Method, Path, ContentType, Token string
	Body                             string
	Chunked                          bool
}

// Post sends a request to the bridge.
func (p *Process) Post(t *testing.T, r Request) Reply {
	t.Helper()
	var body io.Reader = strings.NewReader(r.Body)
	if r.Chunked {
		body = io.MultiReader(body) // hides the length from net/http
	}
	req, err := http.NewRequestWithContext(t.Context(), cmp.Or(r.Method, http.MethodPost),
		"http://"+p.Addrs.Ingress+cmp.Or(r.Path, "/webhook"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+cmp.Or(r.Token, containers.Token))
	req.Header.Set("Content-Type", cmp.Or(r.ContentType, "application/json"))
	reply, err := do(http.DefaultClient, req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return reply
}

func do(client *http.Client, req *http.Request) (Reply, error) {
	resp, err := client.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return Reply{resp.StatusCode, resp.Header, string(b)}, err
}

// Reply is the response to a POST.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Accepted fails the test unless the event was accepted, with the reply that changes nothing in a session.
func (r Reply) Accepted(t *testing.T) {
	t.Helper()
	if r.Status != http.StatusOK || strings.TrimSpace(r.Body) != "{}" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %q, want 200 application/json {}", r.Status, r.Header.Get("Content-Type"), r.Body)
	}
}

// MessageRead returns the body of a read message, of the session.
func MessageRead(t *testing.T, session string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(Payload(t, "message-read.json")), &body); err != nil {
		t.Fatal(err)
	}
	body["session_id"] = session
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Post sends a body as Treble does, with the token of the test's bridge.
func Post(url, body string) (Reply, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+containers.Token)
	return do(&http.Client{Timeout: 15 * time.Second}, req)
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

// Payload returns the example payload of a name.
func Payload(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Testdata, "payloads", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
