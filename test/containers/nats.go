package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/client"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const (
	natsPort  = "4222/tcp"
	storePath = "/data"
)

// natsConfig flushes before it acknowledges, so that a test may blame the
// bridge for what is missing after a kill. Addresses are advertised by name
// only: a server that is cut off must not be reached another way.
const natsConfig = `
server_name: %[1]s
listen: "0.0.0.0:4222"
client_advertise: "%[1]s:4222"
jetstream { store_dir: "` + storePath + `", sync_interval: always }
`

const clusterConfig = `
cluster {
  name: test
  listen: "0.0.0.0:6222"
  cluster_advertise: "%s:6222"
  routes: [%s]
}
`

// NATS is a nats-server with JetStream in a container. Its store is in the
// container: it outlives Stop and Kill.
type NATS struct {
	*Container
	network *Network
	config  string
	nodes   int // of its cluster
}

// NATS starts one nats-server under the name "nats" and returns when JetStream
// answers.
func (n *Network) NATS() *NATS {
	n.t.Helper()
	s := &NATS{network: n, config: fmt.Sprintf(natsConfig, "nats"), nodes: 1}
	s.create("nats")
	s.Start()
	s.Ready()
	return s
}

// Cluster starts a cluster of nats-servers under the names nats-1, nats-2 and
// so on, and returns when it takes streams with as many replicas.
func (n *Network) Cluster(nodes int) []*NATS {
	n.t.Helper()
	names := make([]string, nodes)
	routes := make([]string, nodes)
	for i := range names {
		names[i] = fmt.Sprintf("nats-%d", i+1)
		routes[i] = fmt.Sprintf("%q", "nats://"+names[i]+":6222")
	}
	servers := make([]*NATS, nodes)
	for i, name := range names {
		config := fmt.Sprintf(natsConfig, name) + fmt.Sprintf(clusterConfig, name, strings.Join(routes, ", "))
		servers[i] = &NATS{network: n, config: config, nodes: nodes}
		servers[i].create(name)
		servers[i].Start()
	}
	for _, s := range servers {
		s.Ready()
	}
	return servers
}

// create makes the server's container.
func (s *NATS) create(alias string) {
	n := s.network
	n.t.Helper()
	s.Container = n.create(alias, n.docker.image(n.t, natsPackage),
		testcontainers.WithCmd("--config", "/nats.conf"),
		testcontainers.WithExposedPorts(natsPort),
		testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(s.config), ContainerFilePath: "/nats.conf", FileMode: 0o644,
		}))
}

// URL returns the address for other containers on the network.
func (s *NATS) URL() string { return "nats://" + s.alias + ":4222" }

// Addr returns where a program outside the network reaches the server, such as
// 127.0.0.1:32768. It is another one after every start.
func (s *NATS) Addr() string { s.t.Helper(); return s.mustAddr(natsPort) }

// JetStream connects the test to the server. The connection ends with the test, and does not survive a
// new start of the server.
func (s *NATS) JetStream() jetstream.JetStream {
	s.t.Helper()
	return natstest.Connect(s.t, "nats://"+s.Addr(), ownAddress...)
}

// ownAddress are the options of a connection that does not follow the addresses that a server advertises: they
// are names on the Docker network, unknown to the test.
var ownAddress = []nats.Option{nats.NoReconnect(), nats.IgnoreDiscoveredServers()}

// Ready waits until JetStream answers; in a cluster, until it can place a
// stream on every node.
func (s *NATS) Ready() {
	s.t.Helper()
	bridge.Await(s.t, readyTimeout, s.alias+" is ready", func(ctx context.Context) error {
		addr, err := s.addr(ctx, natsPort)
		if err != nil {
			return err
		}
		nc, err := nats.Connect("nats://"+addr, ownAddress...)
		if err != nil {
			return err
		}
		defer nc.Close()
		return s.probe(ctx, nc)
	})
}

// probe makes a real call to JetStream.
func (s *NATS) probe(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if s.nodes == 1 {
		_, err := js.AccountInfo(ctx)
		return err
	}
	probe := jetstream.StreamConfig{Name: "READY", Subjects: []string{"ready"}, Replicas: s.nodes, Storage: jetstream.MemoryStorage}
	if _, err := js.CreateOrUpdateStream(ctx, probe); err != nil {
		return err
	}
	return js.DeleteStream(ctx, probe.Name)
}

// Snapshot returns a copy of the server's store as it is on disk now, as a tar
// archive. The server may be running, paused, stopped or killed.
func (s *NATS) Snapshot() []byte {
	s.t.Helper()
	r, err := s.docker.client().CopyFromContainer(s.t.Context(), s.id, client.CopyFromContainerOptions{SourcePath: storePath})
	s.do("copy the store of", err)
	defer r.Content.Close()
	b, err := io.ReadAll(r.Content)
	s.do("copy the store of", err)
	if _, err := tar.NewReader(bytes.NewReader(b)).Next(); err != nil {
		s.do("read the store of", err)
	}
	return b
}

// Restore replaces the server by one with an older store, as if the disk had
// forgotten what came after, and returns when JetStream answers. The server is
// killed first if it runs.
func (s *NATS) Restore(snapshot []byte) {
	s.t.Helper()
	s.remove(s.t.Context())
	s.create(s.alias)
	_, err := s.docker.client().CopyToContainer(s.t.Context(), s.id, client.CopyToContainerOptions{
		DestinationPath: "/", Content: bytes.NewReader(snapshot),
	})
	s.do("put the store into", err)
	s.Start()
	s.Ready()
}
