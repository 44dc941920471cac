package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	dockernet "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// stopTimeout bounds the end of a container after SIGTERM.
const stopTimeout = 15 * time.Second

// logLines is the number of lines that are shown of a container's log.
const logLines = 100

// Container is a container on a [Network].
type Container struct {
	t      *testing.T
	docker *Docker
	alias  string
	inner  *testcontainers.DockerContainer
	id     string
}

// create makes a container, reachable on the network by its alias, without
// starting it. Its exposed ports are published on 127.0.0.1.
func (n *Network) create(alias, image string, opts ...testcontainers.ContainerCustomizer) *Container {
	n.t.Helper()
	opts = append([]testcontainers.ContainerCustomizer{
		testcontainers.WithNoStart(),
		testcontainers.WithLabels(map[string]string{Label: n.docker.run}),
		testcontainers.WithHostConfigModifier(publishOnLoopback),
		tcnetwork.WithNetwork([]string{alias}, n.inner),
	}, opts...)
	inner, err := testcontainers.Run(n.t.Context(), image, opts...)
	c := &Container{t: n.t, docker: n.docker, alias: alias, inner: inner}
	if inner != nil { // there may be one together with an error
		c.id = inner.GetContainerID()
		n.t.Cleanup(c.cleanup)
	}
	if err != nil {
		n.t.Fatalf("create %s: %v", alias, err)
	}
	return c
}

// ports are the ports on which an image of this repository listens. Publishing needs the
// bindings before testcontainers adds its own, which listen on every address.
var ports = []string{bridgePort, opsPort, natsPort}

func publishOnLoopback(host *container.HostConfig) {
	host.PortBindings = dockernet.PortMap{}
	for _, p := range ports {
		host.PortBindings[dockernet.MustParsePort(p)] = []dockernet.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1")}}
	}
}

// cleanup removes the container; if the test failed, with its last words.
func (c *Container) cleanup() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if c.t.Failed() {
		c.t.Logf("the last lines of %s:\n%s", c.alias, c.logs(ctx))
	}
	c.remove(ctx)
}

// remove removes the container, running, paused or stopped. Removing it twice
// is not an error.
func (c *Container) remove(ctx context.Context) {
	if c.id == "" {
		return
	}
	_, err := c.docker.client().ContainerRemove(ctx, c.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil {
		c.t.Errorf("remove %s: %v", c.alias, err)
	}
	c.id = ""
}

// logs returns the last lines that the container wrote.
func (c *Container) logs(ctx context.Context) string {
	b, err := c.output(ctx)
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-logLines):], nil))
}

// output returns all that the container wrote since it was made.
func (c *Container) output(ctx context.Context) ([]byte, error) {
	if c.id == "" {
		return nil, nil
	}
	r, err := c.inner.Logs(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// do reports the failure of an operation on the container.
func (c *Container) do(what string, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s %s: %v", what, c.alias, err)
	}
}

// Start starts a stopped container again, with the files that it had. It does
// not wait for the program to be ready.
func (c *Container) Start() { c.t.Helper(); c.do("start", c.inner.Start(c.t.Context())) }

// Stop ends the container with SIGTERM and returns when it has ended.
func (c *Container) Stop() {
	c.t.Helper()
	timeout := stopTimeout
	c.do("stop", c.inner.Stop(c.t.Context(), &timeout))
}

// Kill ends the container with SIGKILL and returns when it has ended.
func (c *Container) Kill() {
	c.t.Helper()
	_, err := c.docker.client().ContainerKill(c.t.Context(), c.id, client.ContainerKillOptions{Signal: "KILL"})
	c.do("kill", err)
	c.awaitEnd(stopTimeout)
}

// awaitEnd waits for the end and returns the exit code.
func (c *Container) awaitEnd(timeout time.Duration) (code int) {
	c.t.Helper()
	bridge.Await(c.t, timeout, c.alias+" ends", func(ctx context.Context) error {
		state, err := c.inner.State(ctx)
		if err != nil {
			return err
		}
		if state.Running {
			return errors.New("still running")
		}
		code = state.ExitCode
		return nil
	})
	return code
}

// Pause freezes the container: connections stay open and nothing answers.
func (c *Container) Pause() {
	c.t.Helper()
	_, err := c.docker.client().ContainerPause(c.t.Context(), c.id, client.ContainerPauseOptions{})
	c.do("pause", err)
}

// Unpause ends a Pause.
func (c *Container) Unpause() {
	c.t.Helper()
	_, err := c.docker.client().ContainerUnpause(c.t.Context(), c.id, client.ContainerUnpauseOptions{})
	c.do("unpause", err)
}

// alive returns an error that ends the waiting if the container has ended: it
// will not get ready any more.
func (c *Container) alive(ctx context.Context) error {
	state, err := c.inner.State(ctx)
	if err == nil && !state.Running {
		return fmt.Errorf("%w with exit code %d", bridge.ErrEnded, state.ExitCode)
	}
	return err
}

// addr returns where a port of the container is reached from the test, such as
// 127.0.0.1:32768. It is another one after every start.
func (c *Container) addr(ctx context.Context, port string) (string, error) {
	if err := c.alive(ctx); err != nil {
		return "", err
	}
	p, err := c.inner.MappedPort(ctx, port)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", p.Port()), nil
}

// mustAddr is addr of a container that runs.
func (c *Container) mustAddr(port string) string {
	c.t.Helper()
	addr, err := c.addr(c.t.Context(), port)
	c.do("find the port of", err)
	return addr
}

// Remove removes the container, running or not. Its named volumes stay.
func (c *Container) Remove() { c.t.Helper(); c.remove(c.t.Context()) }
