package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

// TestAllocations bounds what one event costs the garbage collector, from the request to its 200,
// net/http included. There is no NATS, so that only that is counted.
func TestAllocations(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	c.NATS.URL, c.Log.Level = "nats://127.0.0.1:1", "info"
	b := clitest.Start(t, c)
	defer b.Stop(t)
	payload, err := os.ReadFile("../../../test/testdata/payloads/message-read.json")
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	if err := json.Compact(&body, payload); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", b.Addrs().Ingress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := fmt.Appendf(nil, "POST /webhook HTTP/1.1\r\nHost: bridge\r\nUser-Agent: treble\r\nAccept: */*\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", clitest.Secret, body.Len(), body.Bytes())
	reply := make([]byte, 4096)
	post := func() {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(reply[:n], []byte("\r\n\r\n{}")); {
			more, err := conn.Read(reply[n:])
			if n += more; err != nil {
				t.Fatalf("%v after %q", err, reply[:n])
			}
		}
		if !bytes.HasPrefix(reply, []byte("HTTP/1.1 200 ")) {
			t.Fatalf("answered %.100q", reply)
		}
	}
	const warmUp, requests, most = 200, 2000, 70
	for range warmUp {
		post()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		post()
	}
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / requests; n > most {
		t.Errorf("a request: got %.1f allocations, want %d at most", n, most)
	} else {
		t.Logf("a request: %.1f allocations, %d bytes", n, (after.TotalAlloc-before.TotalAlloc)/requests)
	}
}
