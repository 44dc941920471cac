//go:build attack

package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// What must hold while the bridge is attacked, in its default configuration.
const (
	mostMemory  = 256 << 20
	mostLatency = time.Second
)

// goodSender sends a small event every few milliseconds, each second one on a new connection,
// and measures how long the answer takes.
type goodSender struct {
	addr string
	tls  *tls.Config // nil: plain HTTP

	mu    sync.Mutex
	took  []time.Duration
	fails []string
}

// send sends until ctx ends.
func (g *goodSender) send(ctx context.Context) {
	kept := &http.Client{Transport: &http.Transport{TLSClientConfig: g.tls.Clone(), ForceAttemptHTTP2: g.tls != nil}, Timeout: 10 * time.Second}
	defer kept.CloseIdleConnections()
	anew := &http.Client{Transport: &http.Transport{TLSClientConfig: g.tls.Clone(), DisableKeepAlives: true}, Timeout: 10 * time.Second}
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		client := kept
		if i%2 == 1 {
			client = anew
		}
		g.one(client, fmt.Sprintf("good-%d", i))
	}
}

func (g *goodSender) one(client *http.Client, session string) {
	body := fmt.Sprintf(`{"session_id":%q,"read_at":"2026-01-01 09:00:02","country_code":"+34","cellphone":"612345678"}`, session)
	scheme := "http://"
	if g.tls != nil {
		scheme = "https://"
	}
	req, err := http.NewRequest(http.MethodPost, scheme+g.addr+"/webhook", strings.NewReader(body))
	if err != nil {
		panic(err) // the address is ours
	}
	req.Header.Set("Authorization", "Bearer "+bridge.Token)
	began := time.Now()
	resp, err := client.Do(req)
	fail := ""
	switch {
	case err != nil:
		fail = err.Error()
	default:
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			fail = resp.Status
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.took = append(g.took, time.Since(began))
	if fail != "" {
		g.fails = append(g.fails, fail)
	}
}

// attack is what an attacker does to the listener at an address.
type attack struct {
	name string
	run  func(t *testing.T, addr string)
}

// nothing is the attack to compare the others with.
var nothing = attack{"nothing", func(*testing.T, string) { time.Sleep(2 * time.Second) }}

// under attacks a bridge while a good sender sends, and checks memory, latency and answers.
func under(t *testing.T, p *bridge.Process, attack func(t *testing.T, addr string)) {
	t.Helper()
	underTLS(t, p, nil, attack)
}

// underTLS is under for a bridge that speaks HTTPS, if there is a configuration for its clients.
func underTLS(t *testing.T, p *bridge.Process, client *tls.Config, attack func(t *testing.T, addr string)) {
	t.Helper()
	good := &goodSender{addr: p.Addrs.Ingress, tls: client}
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { good.send(ctx) })
	attack(t, p.Addrs.Ingress)
	stop()
	sending.Wait()
	slices.Sort(good.took)
	worst := good.took[len(good.took)-1]
	memory := p.Memory("VmHWM")
	if memory == 0 || memory > mostMemory {
		t.Errorf("memory: got %d MiB at its peak, want %d at most", memory>>20, mostMemory>>20)
	}
	if worst > mostLatency {
		t.Errorf("a good request: got %s in the worst case, want %s at most", worst.Round(time.Millisecond), mostLatency)
	}
	if len(good.fails) > 0 {
		t.Errorf("%d of %d good requests failed; the first: %s", len(good.fails), len(good.took), good.fails[0])
	}
	t.Logf("| %s | %d MiB | %d | %s | %s |", strings.TrimPrefix(t.Name(), "TestAttack"), memory>>20, len(good.took),
		good.took[len(good.took)/2].Round(100*time.Microsecond), worst.Round(time.Millisecond))
}

// together runs n attackers at once, and waits for all.
func together(n int, attacker func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { attacker(i) })
	}
	all.Wait()
}

// during runs n attackers at once, each again and again until the time is over.
func during(d time.Duration, n int, attacker func()) {
	until := time.Now().Add(d)
	together(n, func(int) {
		for time.Now().Before(until) {
			attacker()
		}
	})
}

// head is the head of a POST with a good token.
func head(more string) string {
	return "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + bridge.Token + "\r\n" + more + "\r\n"
}

// raw writes a request to a connection of its own, and returns the status of the answer, 0 if
// there is none.
func raw(addr, request string, body ...string) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, part := range append([]string{request}, body...) {
			if _, err := io.WriteString(conn, part); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	conn.Close()
	<-written
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

// post posts a body of several parts with a good token on a connection of its own.
func post(addr string, body ...string) int {
	length := 0
	for _, part := range body {
		length += len(part)
	}
	return raw(addr, head(fmt.Sprintf("Content-Length: %d\r\n", length)), body...)
}

// again is the pause before an attacker opens a connection again.
const again = 500 * time.Millisecond

// hold opens n connections and keeps them for d: it writes first to each, then more at each interval.
// It opens those that are closed again.
func hold(addr string, n int, d time.Duration, first string, every time.Duration, more string) {
	until := time.Now().Add(d)
	together(n, func(int) {
		for time.Now().Before(until) {
			holdOne(addr, until, first, every, more)
			time.Sleep(min(again, time.Until(until)))
		}
	})
}

func holdOne(addr string, until time.Time, first string, every time.Duration, more string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, first); err != nil {
		return
	}
	for {
		next := time.Now().Add(every)
		if next.After(until) {
			next = until
		}
		_ = conn.SetReadDeadline(next)
		_, err := io.Copy(io.Discard, conn)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return
		}
		if _, err := io.WriteString(conn, more); err != nil {
			return
		}
	}
}
