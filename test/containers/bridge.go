package containers

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const (
	bridgePort = "8080/tcp"
	opsPort    = "9464/tcp"
)

// readyTimeout bounds the start of a program.
const readyTimeout = 30 * time.Second

// Bridge is a bridge in a container.
type Bridge struct{ *Container }

// Bridge starts a bridge under a name that publishes to the NATS servers, with more
// environment ("KEY=value"), and returns when it is ready.
func (n *Network) Bridge(name, natsURL string, env ...string) *Bridge {
	n.t.Helper()
	all := map[string]string{
		"TREBLE_BRIDGE_AUTH_BEARER":  bridge.Token,
		"TREBLE_BRIDGE_NATS_URL":     natsURL,
		"TREBLE_BRIDGE_INGRESS_ADDR": ":8080",
		"TREBLE_BRIDGE_OPS_ADDR":     ":9464",
		"TREBLE_BRIDGE_DATA_DIR":     "/data",
	}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		all[key] = value
	}
	b := &Bridge{n.create(name, n.docker.image(n.t, bridgePackage), testcontainers.WithCmd("serve"),
		testcontainers.WithExposedPorts(bridgePort, opsPort), testcontainers.WithEnv(all))}
	b.Start()
	b.Ready()
	return b
}

// Addr returns the address of the public listener, such as 127.0.0.1:32768. It is another one after every start.
func (b *Bridge) Addr() string { b.t.Helper(); return b.mustAddr(bridgePort) }

// OpsURL returns an address of the listener for operators.
func (b *Bridge) OpsURL(path string) string {
	b.t.Helper()
	return "http://" + b.mustAddr(opsPort) + path
}

// Ready waits until the bridge says that it is ready or degraded.
func (b *Bridge) Ready() { b.t.Helper(); b.Says(http.StatusOK) }

// Says waits until /readyz has this status.
func (b *Bridge) Says(status int) {
	b.t.Helper()
	bridge.Await(b.t, readyTimeout, b.alias+" says what it should", func(ctx context.Context) error {
		addr, err := b.addr(ctx, opsPort)
		if err != nil {
			return err
		}
		return bridge.ExpectStatus(ctx, "http://"+addr+"/readyz", status)
	})
}
