package cli_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

func TestAddrs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, datadir.Addrs)
	if a, err := cli.ReadAddrs(dir); err != nil || a != (cli.Addrs{}) {
		t.Errorf("nothing runs: got %v, %v", a, err)
	}
	c := config.Default()
	c.DataDir = dir
	if a, err := cli.ClientAddrs(&c); err != nil || a.Ingress != "127.0.0.1:8080" || a.Ops != "127.0.0.1:9464" || a.NATS != "127.0.0.1:4222" {
		t.Errorf("fallback: got %v, %v", a, err)
	}
	want := cli.Addrs{Ingress: "[::]:1", Ops: "127.0.0.1:2"}
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != `{"ingress":"[::]:1","ops":"127.0.0.1:2"}`+"\n" {
		t.Errorf("got %s", b)
	}
	if a, err := cli.ClientAddrs(&c); err != nil || a.Ingress != "127.0.0.1:1" || a.Ops != "127.0.0.1:2" {
		t.Errorf("got %v, %v", a, err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cli.ClientAddrs(&c); err == nil {
		t.Error("half a file: want an error")
	}
}

func TestAskReadinessEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := cli.AskReadiness(ctx, "http://"+silent.Addr().String()); err == nil {
		t.Error("want an error")
	}
}
