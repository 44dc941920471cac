package containers

import (
	"context"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"
)

// Network is a Docker network of one test, with the containers on it.
type Network struct {
	t      *testing.T
	docker *Docker
	inner  *testcontainers.DockerNetwork
}

// Network makes a network that lives as long as the test. It skips the test if
// there is no Docker engine; with CI=true it fails it.
func (d *Docker) Network(t *testing.T) *Network {
	t.Helper()
	d.need(t)
	inner, err := tcnetwork.New(t.Context(), tcnetwork.WithLabels(map[string]string{Label: d.run}))
	if err != nil {
		t.Fatalf("make network: %v", err)
	}
	// Cleanups run last in, first out: by then the containers are gone.
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if _, err := d.client().NetworkRemove(ctx, inner.ID, client.NetworkRemoveOptions{}); err != nil {
			t.Errorf("remove network: %v", err)
		}
	})
	return &Network{t: t, docker: d, inner: inner}
}

// Cut takes a container off the network: its peers get no answer any more, not
// even a refusal, and its published ports are gone.
func (n *Network) Cut(c *Container) {
	n.t.Helper()
	_, err := n.docker.client().NetworkDisconnect(n.t.Context(), n.inner.ID, client.NetworkDisconnectOptions{Container: c.id})
	if err != nil {
		n.t.Fatalf("cut off %s: %v", c.alias, err)
	}
}

// Join puts a container back on the network. Its published ports may be others
// than before.
func (n *Network) Join(c *Container) {
	n.t.Helper()
	_, err := n.docker.client().NetworkConnect(n.t.Context(), n.inner.ID, client.NetworkConnectOptions{
		Container:      c.id,
		EndpointConfig: &network.EndpointSettings{Aliases: []string{c.alias}},
	})
	if err != nil {
		n.t.Fatalf("join %s: %v", c.alias, err)
	}
}
