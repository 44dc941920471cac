// Package serve runs the bridge: it wires ingress and publisher, starts and stops them, and says
// where it listens.
package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// command is the command that runs the bridge.
type command struct {
	streams  cli.Streams
	version  string
	dev      bool
	addrFile string
}

// New takes the version of the program, for its log and its metrics.
func New(streams cli.Streams, version string) *cobra.Command {
	s := &command{streams: streams, version: version}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the bridge",
		Long: `Run the bridge until SIGTERM or Ctrl-C, then finish what is in work and exit with
0. A second signal ends it at once, with 1.

The addresses really bound are logged and written as JSON to addr.json in the
data directory, where the other commands find them.

At SIGHUP, and when the configuration's file or a file with secrets or a certificate
changes, it reads them again: sources, secrets, certificates, most limits and the log
level count at once, and no request is refused for it. If anything is wrong, nothing
changes; /readyz, the log and a metric say so. With --dev SIGHUP ends it.

Under systemd (Type=notify) it says when it is ready, and when it is stopping.`,
		Example: `  treble-bridge serve --dev
  TREBLE_BRIDGE_AUTH_BEARER=$(openssl rand -hex 24) treble-bridge serve
  treble-bridge serve --config bridge.yaml --log-level debug
  treble-bridge serve --nats-url nats://nats-1:4222,nats://nats-2:4222`,
		Args: cobra.NoArgs,
		RunE: s.run,
	}
	f := cmd.Flags()
	f.BoolVar(&s.dev, "dev", false, "for trying it: make a token if none is set, listen on loopback only, log for people, say what to do next")
	f.StringVar(&s.addrFile, "addr-file", "", "write the addresses really bound to this file too")
	f.String("addr", "", "address of the public listener (ingress.addr)")
	f.String("ops-addr", "", "address of the ops listener (ops.addr)")
	f.String("nats-url", "", "URLs of your NATS; without, an embedded server runs (nats.url)")
	f.String("log-level", "", "debug, info, warn or error (log.level)")
	return cmd
}

func (s *command) run(cmd *cobra.Command, _ []string) (err error) {
	loaded, token, err := s.load(cmd)
	if err != nil {
		return err
	}
	log, level := cli.NewLevelLogger(loaded.Log, s.streams.Err)
	defer func() { _ = log.Sync() }() // standard error cannot be flushed everywhere
	for _, w := range loaded.Notices() {
		log.Warn(w)
	}
	memory, fields := limitMemory(loaded.NATS.URL == "")
	defer memory.start()()
	log.Info("starting", append(fields, zap.String("version", s.version), zap.String("config", loaded.File))...)

	b, err := Open(cmd.Context(), &loaded.Config, s.version, log, level)
	if err != nil {
		return err
	}
	if err = b.Announce(&loaded.Config, s.addrFile); err == nil {
		if s.dev {
			fmt.Fprint(s.streams.Out, devBlock(&loaded.Config, b.Addrs(), token))
		}
		n := startNotifier(b.Readiness, log)
		stopReloads := s.startReloads(cmd, b, loaded.File, log)
		err = b.Run(cmd.Context())
		stopReloads()
		n.stopping()
	}
	return errors.Join(err, s.stop(b, &loaded.Config, log))
}

// load returns a configuration that is valid, and the token that --dev made for it, or "".
func (s *command) load(cmd *cobra.Command) (loaded *config.Loaded, token string, err error) {
	if loaded, err = cli.LoadConfig(cmd); err != nil {
		return nil, "", errors.Join(err, loaded.Validate())
	}
	if s.dev {
		if token, err = s.prepareDev(loaded); err != nil {
			return nil, "", err
		}
	}
	return loaded, token, loaded.Validate()
}

// startReloads begins to read the configuration again when it has changed, until what it returns is
// called.
func (s *command) startReloads(cmd *cobra.Command, b *Bridge, file string, log *zap.Logger) (stop func()) {
	return startReloader(b, file, !s.dev, func() (*config.Loaded, error) {
		loaded, _, err := s.load(cmd)
		return loaded, err
	}, log)
}

// stop closes the bridge with a deadline of its own: the command's context has
// ended already.
func (s *command) stop(b *Bridge, c *config.Config, log *zap.Logger) error {
	log.Info("stopping", zap.Duration("timeout", c.ShutdownTimeout))
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	err := b.Close(ctx)
	// Stale addresses would send a client's token to whoever has the port next.
	_ = os.Remove(filepath.Join(c.DataDir, datadir.Addrs))
	if s.addrFile != "" {
		_ = os.Remove(s.addrFile)
	}
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}
