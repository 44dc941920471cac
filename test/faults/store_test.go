//go:build faults || soak

package faults

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// TestFaultsBackupRestored puts a backup of the server's store back, as an operator
// does, while the bridge runs. Before the bridge comes back to the server, others have
// written to the stream, so that other messages are where its own were; and they
// go on writing. Every event that is younger than the backup is published again,
// once, and in order.
func TestFaultsBackupRestored(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	daemon := network.Bridge("bridge", nats.URL(), shortWindow)
	l := load(t, "c", faultSize, faultPace, daemon)
	for range 2 {
		l.publishes(100)
		backup := nats.Snapshot()
		l.publishes(tailLost)
		l.quiet()
		l.during(3 * time.Second) // longer than the duplicate window
		before := l.metric("healed_total")

		daemon.Pause()
		nats.Restore(backup)
		js := nats.JetStream()
		publishFillers(t, js, tailLost/2)
		stop, others := make(chan struct{}), sync.WaitGroup{}
		others.Go(func() { keepPublishing(t, js, stop) })
		daemon.Unpause()
		l.faults++
		l.resume()
		bridge.AwaitTrue(t, drainLimit, "the bridge mends the loss", func() bool { return l.metric("healed_total") >= before+tailLost })
		l.publishes(100)
		close(stop)
		others.Wait()
		l.note("%g healed", l.metric("healed_total")-before)
	}
	l.finish()
	l.allAnswered()
	l.judge(ofLoad(bridge.StreamSessions(t, nats.JetStream())))
}

// TestFaultsBlocks takes parts out of the server's store, as a power loss does: its
// blocks reach the disk in any order. What is missing is published again, once; what is
// there stays as it is.
func TestFaultsBlocks(t *testing.T) {
	for name, blocks := range map[string]map[int]func([]byte) []byte{
		"half-in-the-middle": {1: half},
		"first-gone":         {0: gone},
		"two":                {1: half, -1: half},
	} {
		t.Run(name, func(t *testing.T) { blocksLost(t, blocks) })
	}
}

func half(b []byte) []byte { return b[:len(b)/2] }
func gone([]byte) []byte   { return nil }

// blocksLost changes blocks of the stream, counted from 0, or from -1 at the end. A
// block that becomes nil is missing.
func blocksLost(t *testing.T, blocks map[int]func([]byte) []byte) {
	const want = 5 // blocks, of 8 MiB
	network := docker.Network(t)
	nats := network.NATS()
	daemon := network.Bridge("bridge", nats.URL(), shortWindow)
	l := load(t, "c", 20_000, faultPace, daemon)
	bridge.AwaitTrue(t, drainLimit, "the stream has enough blocks", func() bool { return streamBytes(t, nats) > want<<23 })
	l.finish()
	l.during(3 * time.Second) // longer than the duplicate window
	there := bridge.StreamSessions(t, nats.JetStream())

	nats.Kill()
	store := nats.Snapshot()
	names := storeBlocks(t, store)
	if len(names) < want {
		t.Fatalf("got the blocks %v, want %d or more", names, want)
	}
	store = editStore(t, store, func(name string, b []byte) []byte {
		if path.Base(name) == "index.db" && strings.Contains(name, "/TREBLE/") {
			return nil // nats-server writes the index every two minutes and at a clean stop: after a power loss it is old
		}
		i := slices.Index(names, name)
		if change := blocks[i]; i >= 0 && change != nil {
			return change(b)
		}
		if change := blocks[i-len(names)]; i >= 0 && change != nil {
			return change(b)
		}
		return b
	})
	nats.Restore(store)
	l.faults++
	bridge.AwaitTrue(t, drainLimit, "the bridge mends the loss", func() bool { return l.metric("healed_total") > 0 })
	l.resume()
	l.publishes(100)
	l.finish()
	l.allAnswered()

	// What survived is as it was; then comes what was lost, then what is new.
	stream := bridge.StreamSessions(t, nats.JetStream())
	survived := 0
	for survived < len(stream) && slices.Contains(there, stream[survived]) && (survived == 0 || slices.Index(there, stream[survived-1]) < slices.Index(there, stream[survived])) {
		survived++
	}
	l.note("%d of %d events survived in their place, %g were healed", survived, len(there), l.metric("healed_total"))
	if lost := len(there) - survived; float64(lost) != l.metric("healed_total") {
		t.Errorf("got %g events healed, want the %d that were lost", l.metric("healed_total"), lost)
	}
	l.report(stream, l.oracle.CheckParts(stream[:survived], stream[survived:]))
}

func streamBytes(t *testing.T, nats *containers.NATS) uint64 {
	t.Helper()
	s, err := nats.JetStream().Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Bytes
}

// storeBlocks returns the names of the blocks of the event stream, in their order.
func storeBlocks(t *testing.T, store []byte) []string {
	t.Helper()
	number := func(name string) (n int) {
		fmt.Sscanf(path.Base(name), "%d.blk", &n)
		return n
	}
	var names []string
	editStore(t, store, func(name string, b []byte) []byte {
		if strings.HasSuffix(name, ".blk") && strings.Contains(name, "/TREBLE/msgs/") {
			names = append(names, name)
		}
		return b
	})
	slices.SortFunc(names, func(a, b string) int { return number(a) - number(b) })
	return names
}

// editStore returns a store of which change has changed each file. A file that becomes
// nil is missing.
func editStore(t *testing.T, store []byte, change func(name string, b []byte) []byte) []byte {
	t.Helper()
	var edited bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(store)), tar.NewWriter(&edited)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if b = change(h.Name, b); b == nil {
				continue
			}
		}
		h.Size = int64(len(b))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return edited.Bytes()
}
