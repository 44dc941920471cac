package test

import (
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

// request is a POST of a body with a good token, but for what is set.
type request struct {
	method, path, contentType, token string
	body                             string
	chunked                          bool
}

// post sends a request to the bridge.
func (p *process) post(t *testing.T, r request) reply {
	t.Helper()
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body) // hides the length from net/http
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	req, err := http.NewRequestWithContext(t.Context(), or(r.method, http.MethodPost),
		"http://"+p.addrs.Ingress+or(r.path, "/webhook"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+or(r.token, containers.Token))
	req.Header.Set("Content-Type", or(r.contentType, "application/json"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// accepted wants the reply that Treble takes for a yes and merges into nothing.
func (r reply) accepted(t *testing.T) {
	t.Helper()
	if r.status != http.StatusOK || strings.TrimSpace(r.body) != "{}" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %q, want 200 application/json {}", r.status, r.header.Get("Content-Type"), r.body)
	}
}

// messageRead is what Treble sends when a message is read, of another session.
func messageRead(t *testing.T, session string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "payloads", "message-read.json"))
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(b, &body); err != nil {
		t.Fatal(err)
	}
	body["session_id"] = session
	b, err = json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// post sends a body as Treble does, with the token of the test's bridge.
func post(url, body string) (reply, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+containers.Token)
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b)}, err
}

// payloads returns the names of the example payloads, sorted.
func payloads(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "payloads"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func payload(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "payloads", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
