package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// bridgeProcess is a running treble-bridge with a data directory of its own.
type bridgeProcess struct {
	*proc.Process
	dataDir string
	addrs   struct{ Ingress, Ops, NATS string }
}

// startBridge starts a bridge on a data directory, "" for a new one, and returns
// when it listens; ready says whether it must take events too.
func (b *bench) startBridge(ctx context.Context, name, dataDir string, ready bool, env ...string) (*bridgeProcess, error) {
	if dataDir == "" {
		var err error
		if dataDir, err = os.MkdirTemp(b.dir, name+"-"); err != nil {
			return nil, err
		}
	}
	addrFile := filepath.Join(b.dir, filepath.Base(dataDir)+".addr")
	_ = os.Remove(addrFile) // an earlier process on that directory wrote another
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "TREBLE_BRIDGE_CONFIG=") }) {
		env = append(slices.Clone(env), "TREBLE_BRIDGE_AUTH_BEARER="+token) // a file has sources with secrets of their own
	}
	p, err := b.group.Start(name, b.bin.path("treble-bridge"), []string{"serve", "--addr-file", addrFile}, append([]string{
		"TREBLE_BRIDGE_DATA_DIR=" + dataDir,
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_NATS_EMBEDDED_TOKEN=" + token,
	}, env...))
	if err != nil {
		return nil, err
	}
	bp := &bridgeProcess{Process: p, dataDir: dataDir}
	path := "/livez"
	if ready {
		path = "/readyz"
	}
	return bp, p.Await(ctx, "the bridge answers "+path, startPatience, func() error {
		body, err := os.ReadFile(addrFile)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, &bp.addrs); err != nil {
			return err
		}
		return expectOK(ctx, "http://"+bp.addrs.Ops+path)
	})
}

func expectOK(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
