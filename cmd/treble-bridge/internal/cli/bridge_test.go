package cli_test

import (
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"

	"os"
	"path/filepath"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

func TestAddrs(t *testing.T) {
	dir := t.TempDir()
	if a, err := cli.ReadAddrs(dir); err != nil || a != (cli.Addrs{}) {
		t.Errorf("nothing runs: got %v, %v", a, err)
	}
	c := config.Default()
	c.DataDir = dir
	if a, err := cli.ClientAddrs(&c); err != nil || a.Ingress != "127.0.0.1:8080" || a.Ops != "127.0.0.1:9464" || a.NATS != "127.0.0.1:4222" {
		t.Errorf("fallback: got %v, %v", a, err)
	}
	want := cli.Addrs{Ingress: "[::]:1", Ops: "127.0.0.1:2"}
	if err := want.Write(filepath.Join(dir, datadir.Addrs)); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, datadir.Addrs)); string(b) != `{"ingress":"[::]:1","ops":"127.0.0.1:2"}`+"\n" {
		t.Errorf("got %s", b)
	}
	if a, err := cli.ClientAddrs(&c); err != nil || a.Ingress != "127.0.0.1:1" || a.Ops != "127.0.0.1:2" {
		t.Errorf("got %v, %v", a, err)
	}
	if err := os.WriteFile(filepath.Join(dir, datadir.Addrs), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cli.ClientAddrs(&c); err == nil {
		t.Error("half a file: want an error")
	}
}
