package containers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// Token is the bearer token that a bridge takes unless its environment says
// otherwise.
const Token = "a-token-for-the-tests"

const (
	bridgePort = "8080/tcp"
	opsPort    = "9464/tcp"
)

// readyTimeout bounds the start of a program.
const readyTimeout = 30 * time.Second

// Bridge is a bridge in a container.
type Bridge struct{ *Container }

// Bridge starts a bridge under the name "bridge" that publishes to the NATS
// servers and returns when it is ready. More environment, tmpfs mounts and the
// like come as options of testcontainers.
func (n *Network) Bridge(natsURL string, opts ...testcontainers.ContainerCustomizer) *Bridge {
	n.t.Helper()
	return n.BridgeAs("bridge", natsURL, opts...)
}

// BridgeAs is Bridge under another name.
func (n *Network) BridgeAs(name, natsURL string, opts ...testcontainers.ContainerCustomizer) *Bridge {
	n.t.Helper()
	opts = append([]testcontainers.ContainerCustomizer{
		testcontainers.WithCmd("serve"),
		testcontainers.WithExposedPorts(bridgePort, opsPort),
		testcontainers.WithEnv(map[string]string{
			"TREBLE_BRIDGE_AUTH_BEARER":  Token,
			"TREBLE_BRIDGE_NATS_URL":     natsURL,
			"TREBLE_BRIDGE_INGRESS_ADDR": ":8080",
			"TREBLE_BRIDGE_OPS_ADDR":     ":9464",
			"TREBLE_BRIDGE_DATA_DIR":     "/data",
		}),
	}, opts...)
	b := &Bridge{n.create(name, n.docker.image(n.t, bridgePackage), opts...)}
	b.Start()
	b.Ready()
	return b
}

// URL returns an address of the public listener, such as
// http://127.0.0.1:32768/webhook. It is another one after every start.
func (b *Bridge) URL(path string) string { b.t.Helper(); return b.url(bridgePort, path) }

// OpsURL returns an address of the listener for operators.
func (b *Bridge) OpsURL(path string) string { b.t.Helper(); return b.url(opsPort, path) }

func (b *Bridge) url(port, path string) string {
	b.t.Helper()
	addr, err := b.addr(b.t.Context(), port)
	b.do("find the port of", err)
	return "http://" + addr + path
}

// Ready waits until the bridge says that it is ready or degraded.
func (b *Bridge) Ready() {
	b.t.Helper()
	await(b.t, readyTimeout, b.alias+" is ready", func(ctx context.Context) error {
		addr, err := b.addr(ctx, opsPort)
		if err != nil {
			return err
		}
		return readyz(ctx, "http://"+addr+"/readyz")
	})
}

// readyz returns nil if the bridge answers 200, else what it said.
func readyz(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /readyz: %s: %s", resp.Status, body)
	}
	return nil
}
