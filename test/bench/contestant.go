package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// contestant is a server that the benchmarks compare.
type contestant struct {
	name  string
	says  string // what it is, for the report
	start func(context.Context, *bench) (*running, error)
}

// floorName is the contestant whose figures all others are divided by.
const floorName = "floor"

var contestants = []contestant{
	{floorName, "echo, bearer, encoding/json into a struct, 200; keeps nothing", startFloor},
	{"naive", "the same, then a synchronous publish; 200 after the PubAck", startNaive("naive", false)},
	{"naive-always", "naive, with a NATS that flushes each message (sync_interval: always)", startNaive("naive-always", true)},
	{"journal", "treble-bridge, publisher.ack: journal (the default), its own NATS beside it", startBridgeWithNATS("journal")},
	{"stream", "treble-bridge, publisher.ack: stream, its own NATS beside it", startBridgeWithNATS("stream")},
	{"embedded", "treble-bridge, publisher.ack: journal, the embedded NATS", startEmbedded},
}

// running is a contestant whose processes run.
type running struct {
	contestant contestant
	addr       string
	path       string // of its webhook
	token      string
	process    *proc.Process
	nats       *natsServer // nil if it has none of its own
	stream     *stream     // nil if it keeps nothing
	next       int64       // number of the next event
	unchecked  int64       // number of the first event that was not looked for
	outcomes   []load.Outcome
}

// target returns the address and the path of its webhooks.
func (r *running) target(body load.Body) load.Target {
	return load.Target{Addr: r.addr, Path: r.path, Token: r.token, Body: body}
}

// kill ends its processes. What they had to keep was checked before.
func (r *running) kill() {
	if r.stream != nil {
		r.stream.close()
	}
	for _, p := range r.processes() {
		p.Kill()
	}
}

func (r *running) processes() []*proc.Process {
	ps := []*proc.Process{r.process}
	if r.nats != nil {
		ps = append(ps, r.nats.Process)
	}
	return ps
}

func startFloor(ctx context.Context, b *bench) (*running, error) {
	p, addr, err := b.startServer(ctx, floorName)
	return &running{addr: addr, process: p}, err
}

func startNaive(name string, always bool) func(context.Context, *bench) (*running, error) {
	return func(ctx context.Context, b *bench) (*running, error) {
		n, err := b.startNATS(ctx, name+"-nats", always)
		if err != nil {
			return nil, err
		}
		p, addr, err := b.startServer(ctx, "naive", "NATS_URL="+n.url(), "STREAM="+streamName)
		if err != nil {
			return nil, err
		}
		s, err := openStream(n.url())
		return &running{addr: addr, process: p, nats: n, stream: s}, err
	}
}

func startBridgeWithNATS(ack string) func(context.Context, *bench) (*running, error) {
	return func(ctx context.Context, b *bench) (*running, error) {
		n, err := b.startNATS(ctx, ack+"-nats", false)
		if err != nil {
			return nil, err
		}
		p, err := b.startBridge(ctx, ack, "", true, append(slices.Clone(b.bridgeEnv),
			"TREBLE_BRIDGE_PUBLISHER_ACK="+ack, "TREBLE_BRIDGE_NATS_URL="+n.url())...)
		if err != nil {
			return nil, err
		}
		s, err := openStream(n.url())
		return &running{addr: p.addrs.Ingress, process: p.Process, nats: n, stream: s}, err
	}
}

func startEmbedded(ctx context.Context, b *bench) (*running, error) {
	p, err := b.startBridge(ctx, "embedded", "", true, b.bridgeEnv...)
	if err != nil {
		return nil, err
	}
	s, err := openStream("nats://" + p.addrs.NATS)
	return &running{addr: p.addrs.Ingress, process: p.Process, stream: s}, err
}

// startServer starts floor or naive and returns its address when it serves.
func (b *bench) startServer(ctx context.Context, name string, env ...string) (*proc.Process, string, error) {
	f, err := os.CreateTemp(b.dir, name+"-addr-")
	if err != nil {
		return nil, "", err
	}
	f.Close()
	p, err := b.group.Start(name, b.bin.path(name), nil, append(env, "TOKEN="+token, "ADDR_FILE="+f.Name()))
	if err != nil {
		return nil, "", err
	}
	var addr string
	err = p.Await(ctx, name+" serves", startPatience, func() error {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if len(text) == 0 {
			return errors.New("no address yet")
		}
		addr = string(text)
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return c.Close()
	})
	return p, addr, err
}

func allNames() []string {
	var names []string
	for _, c := range contestants {
		names = append(names, c.name)
	}
	return names
}
