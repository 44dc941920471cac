package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// natsHost is a nats-server as a user would run it, apart from the bridge.
type natsHost struct {
	*server.Server
	url string
}

// startNATS starts one with the given lines of nats-server.conf.
func startNATS(t *testing.T, lines ...string) natsHost {
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
	return startServer(t, o)
}

func startServer(t *testing.T, o *server.Options) natsHost {
	t.Helper()
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the nats-server does not come up")
	}
	return natsHost{s, "nats://" + s.Addr().String()}
}

// startCluster starts three servers that are one cluster, and returns one of them.
// Each takes a free port: the later ones are told that of the first, and the number
// of routes tells all how many they will be, though nobody is at the other two.
func startCluster(t *testing.T) natsHost {
	t.Helper()
	first := "127.0.0.1:1"
	var hosts []natsHost
	for i := range 3 {
		var routes []*url.URL
		for _, addr := range []string{first, "127.0.0.1:2", "127.0.0.1:3"} {
			routes = append(routes, &url.URL{Scheme: "nats", Host: addr})
		}
		h := startServer(t, &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: server.RANDOM_PORT}, Routes: routes,
		})
		hosts = append(hosts, h)
		first = hosts[0].ClusterAddr().String()
	}
	eventually(t, "the cluster has a leader, which knows all servers", func() bool {
		return slices.ContainsFunc(hosts, func(h natsHost) bool { return len(h.JetStreamClusterPeers()) == len(hosts) })
	})
	return hosts[0]
}

// js is a connection to the server.
func (h natsHost) js(t *testing.T, o ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(h.url, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// stream makes a stream TREBLE as the bridge would, but for the change.
func (h natsHost) stream(t *testing.T, change func(*jetstream.StreamConfig)) jetstream.Stream {
	t.Helper()
	c := jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{"treble.>"}, MaxAge: 720 * time.Hour, Duplicates: 10 * time.Minute,
		Discard: jetstream.DiscardNew, AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true,
	}
	if change != nil {
		change(&c)
	}
	var s jetstream.Stream
	eventually(t, "the stream is made", func() (ok bool) {
		var err error
		s, err = h.js(t).CreateStream(t.Context(), c)
		return err == nil
	})
	return s
}

// patient is a configuration of a bridge to be examined, as a file.
type patient struct {
	*config.Config
	file string
}

// newPatient has everything as it should be, but for the changes: keys and values.
func newPatient(t *testing.T, url string, changes ...any) patient {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{
		"data_dir": dir, "nats.url": url, "nats.embedded.addr": "127.0.0.1:0", "ingress.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0",
		"ingress.max_body": "256KiB", "journal.max_bytes": "16MiB", "journal.reserve": "1MiB", "auth.bearer": []string{secret},
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
	p := patient{file: filepath.Join(filepath.Dir(dir), "bridge.yaml")}
	if err := os.WriteFile(p.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Options{File: p.file})
	if err != nil {
		t.Fatal(err)
	}
	p.Config = &loaded.Config
	return p
}

// examine runs doctor --json.
func examine(t *testing.T, p patient, args ...string) (doctor.ChecklistJSON, int) {
	t.Helper()
	code, out, errs := command(t.Context(), "", append([]string{"doctor", "--json", "--config", p.file}, args...)...)
	var list doctor.ChecklistJSON
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	for _, c := range list.Checks {
		if c.Status == diagnose.Fail && code != cli.ExitFailed || (c.Status == diagnose.Warn || c.Status == diagnose.Fail) && (c.Fix == "" || c.FixIn == "") {
			t.Errorf("exit %d, %+v: want a fix with each warn and fail, and exit 1 with a fail", code, c)
		}
	}
	if strings.Contains(out+errs, secret) || strings.Contains(out+errs, "s3cret") {
		t.Errorf("a secret is printed:\n%s%s", out, errs)
	}
	return list, code
}

// find returns the checks with a name, and of what.
func find(l doctor.ChecklistJSON, name, of string) []diagnose.Check {
	var found []diagnose.Check
	for _, c := range l.Checks {
		if c.Name == name && c.Of == of {
			found = append(found, c)
		}
	}
	return found
}
