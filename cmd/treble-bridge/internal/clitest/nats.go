package clitest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// NATSHost is a nats-server as a user would run it, apart from the bridge.
type NATSHost struct {
	*server.Server
	URL string
}

// StartNATS starts one with the given lines of nats-server.conf.
func StartNATS(t *testing.T, lines ...string) NATSHost {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "nats-server.conf")
	text := "listen: 127.0.0.1:-1\n" + strings.Join(lines, "\n") + "\n"
	if !strings.Contains(text, "# no jetstream") {
		text += fmt.Sprintf("jetstream: {store_dir: %q, max_file: 1TB}\n", t.TempDir())
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	o.NoSigs, o.NoLog = true, true
	s := natstest.Run(t, o)
	return NATSHost{s, "nats://" + s.Addr().String()}
}

// StartCluster starts three servers that are one cluster, and returns one of them.
func StartCluster(t *testing.T) NATSHost {
	t.Helper()
	first := natstest.StartCluster(t).Servers[0]
	return NATSHost{first.Server, first.URL}
}

// JetStream is a connection to the server.
func (h NATSHost) JetStream(t *testing.T, o ...nats.Option) jetstream.JetStream {
	t.Helper()
	return natstest.Connect(t, h.URL, o...)
}

// Stream makes a stream TREBLE as the bridge would, but for the change.
func (h NATSHost) Stream(t *testing.T, change func(*jetstream.StreamConfig)) jetstream.Stream {
	t.Helper()
	c := jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{"treble.>"}, MaxAge: 720 * time.Hour, Duplicates: 10 * time.Minute,
		Discard: jetstream.DiscardNew, AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true,
	}
	if change != nil {
		change(&c)
	}
	return natstest.MakeStream(t, h.JetStream(t), c)
}

// ConfigFile is a configuration of a bridge to be examined, as a file.
type ConfigFile struct {
	*config.Config
	Path string
}

// NewConfigFile has everything as it should be, but for the changes: keys and values.
func NewConfigFile(t *testing.T, url string, changes ...any) ConfigFile {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{
		"data_dir": dir, "nats.url": url, "nats.embedded.addr": "127.0.0.1:0", "ingress.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0",
		"ingress.max_body": "256KiB", "journal.max_bytes": "16MiB", "journal.reserve": "1MiB", "auth.bearer": []string{Secret},
	}
	for i := 0; i < len(changes); i += 2 {
		keys[changes[i].(string)] = changes[i+1]
	}
	tree := map[string]any{}
	for key, value := range keys {
		at, parts := tree, strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		if value != nil {
			at[parts[len(parts)-1]] = value
		}
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	p := ConfigFile{Path: filepath.Join(filepath.Dir(dir), "bridge.yaml")}
	if err := os.WriteFile(p.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Options{File: p.Path})
	if err != nil {
		t.Fatal(err)
	}
	p.Config = &loaded.Config
	return p
}
