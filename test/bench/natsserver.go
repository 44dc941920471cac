package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// startPatience bounds the start of a process.
const startPatience = 60 * time.Second

// natsServer is a nats-server as its own process, with its store in a directory.
type natsServer struct {
	*proc.Process
	bench  *bench
	name   string
	dir    string
	config string // more of its configuration
	always bool   // flush each message to disk before its PubAck
	addr   string
}

// startNATS starts a nats-server on a free port and returns when it serves.
func (b *bench) startNATS(ctx context.Context, name string, always bool) (*natsServer, error) {
	s, err := b.newNATS(name)
	if err != nil {
		return nil, err
	}
	s.always = always
	return s, s.start(ctx)
}

// newNATS is a server that is not started yet.
func (b *bench) newNATS(name string) (*natsServer, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	return &natsServer{bench: b, name: name, dir: dir, addr: "127.0.0.1:-1"}, err
}

func (s *natsServer) url() string { return "nats://" + s.addr }

// start starts it and returns when it serves.
func (s *natsServer) start(ctx context.Context) error {
	if err := s.startProcess(); err != nil {
		return err
	}
	return s.awaitServing(ctx)
}

// startProcess starts the process, the second time on the port and the store that it
// had.
func (s *natsServer) startProcess() error {
	config := fmt.Sprintf("listen: %q\nmax_payload: 16MB\nports_file_dir: %q\n%sjetstream {\n  store_dir: %q\n",
		s.addr, s.dir, s.config, filepath.Join(s.dir, "store"))
	if s.always {
		config += "  sync_interval: always\n"
	}
	file := filepath.Join(s.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config+"}\n"), 0o600); err != nil {
		return err
	}
	p, err := s.bench.group.Start(s.name, s.bench.bin.path("nats-server"), []string{"-c", file}, nil)
	s.Process = p
	return err
}

func (s *natsServer) awaitServing(ctx context.Context) error {
	return s.Await(ctx, "nats-server serves JetStream", startPatience, s.serves)
}

// serves reports whether JetStream answers, and learns the port.
func (s *natsServer) serves() error {
	b, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("nats-server_%d.ports", s.Pid())))
	if err != nil {
		return err
	}
	var ports struct{ NATS []string }
	if err := json.Unmarshal(b, &ports); err != nil {
		return err
	}
	s.addr = strings.TrimPrefix(ports.NATS[0], "nats://")
	nc, err := nats.Connect(s.url())
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = nc.Request("$JS.API.INFO", nil, time.Second)
	return err
}
