package embedded_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMaxPayload: a body of the largest size fits with its copies, and the server never takes more
// than its file store does.
func TestMaxPayload(t *testing.T) {
	for _, c := range []struct{ body, want value.Size }{
		{value.MiB, 3 * value.MiB},
		{100 * value.MiB, 31 * value.MiB},
	} {
		s, err := embedded.Start(embedded.Options{
			Config: natsconfig.Embedded{Addr: "127.0.0.1:0", Open: true}, StoreDir: t.TempDir(), MaxBody: c.body, Log: zap.NewNop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		nc, err := nats.Connect("nats://" + s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		if got := value.Size(nc.MaxPayload()); got != c.want {
			t.Errorf("bodies of %s: max_payload is %s, want %s", c.body, got, c.want)
		}
	}
}
