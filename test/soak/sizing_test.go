//go:build soak

package soak

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// sizingEvents is the number of events of each shape. They are the message.read of
// "treble-bridge send", posted over 16 connections.
const sizingEvents = 20_000

// TestSoakSizing prints the table of docs/deployment.md: what a bridge takes, in each
// way that it can be run. It reads processor time and memory where Linux keeps them.
func TestSoakSizing(t *testing.T) {
	for _, shape := range []struct {
		name string
		own  bool // a NATS of your own, in this process
		env  []string
	}{
		{"embedded NATS, journal", false, nil},
		{"your NATS, journal", true, nil},
		{"your NATS, ack: stream", true, []string{"TREBLE_BRIDGE_PUBLISHER_ACK=stream"}},
	} {
		env := shape.env
		if shape.own {
			env = append(env, "TREBLE_BRIDGE_NATS_URL="+natstest.Start(t).ClientURL())
		}
		t.Logf("| %s | %s |", shape.name, sizing(t, env))
	}
	t.Logf("NATS memory per event in the duplicate window: %d bytes", duplicateMemory(t))
}

// sizing returns one row: start-up, memory after it, most memory under load, processor
// time per 1,000 events, journal bytes per event.
func sizing(t *testing.T, env []string) string {
	t.Helper()
	bridge.Binary(t) // building it is not part of the start
	began := time.Now()
	p := bridge.Serve(t, env...)
	started := time.Since(began)
	pid := p.PID()
	idle := p.Memory("VmRSS")

	before, spent := p.Metrics(t), cpuTime(t, pid)
	bridge.MustCommand(t, nil, "send", "message.read", "--count", strconv.Itoa(sizingEvents),
		"--concurrency", "16", "--url", "http://"+p.Addrs.Ingress+"/webhook", "--token", bridge.Token)
	bridge.AwaitTrue(t, 5*time.Minute, "all is published", func() bool { return p.Metrics(t)["treble_bridge_published_total"] >= sizingEvents })
	spent = cpuTime(t, pid) - spent
	after := p.Metrics(t)
	row := fmt.Sprintf("%d ms | %d MiB | %d MiB | %.2f s | %.0f", started.Milliseconds(), idle>>20, p.Memory("VmHWM")>>20,
		spent.Seconds()/sizingEvents*1000, (after["treble_bridge_journal_bytes"]-before["treble_bridge_journal_bytes"])/sizingEvents)
	p.Stop()
	return row
}

// cpuTime returns the processor time of a process so far. Linux counts it in
// hundredths of a second for everybody, whatever the kernel's own clock.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name of the program, in parentheses, may have spaces.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		t.Fatalf("/proc/%d/stat: %s", pid, b)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// duplicateMemory returns what a server keeps in memory for one message that has an
// id, more than for one that has none.
func duplicateMemory(t *testing.T) int64 {
	t.Helper()
	const messages = 100_000
	grown := func(withID bool) int64 {
		b := natstest.Start(t)
		defer b.Kill()
		if _, err := b.JS.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "S", Subjects: []string{"s"}, Duplicates: time.Hour, MaxAge: 24 * time.Hour, AllowDirect: true,
		}); err != nil {
			t.Fatal(err)
		}
		before := heap()
		for range messages {
			m := nats.NewMsg("s")
			if withID {
				m.Header.Set(jetstream.MsgIDHeader, nuid.Next()+"1234") // as long as an event's
			} else {
				m.Header.Set("Other", nuid.Next()+"1234")
			}
			if _, err := b.JS.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		<-b.JS.PublishAsyncComplete()
		return heap() - before
	}
	return (grown(true) - grown(false)) / messages
}

// heap returns how much memory is in use once what is not needed is gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
