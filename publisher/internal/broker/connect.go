package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// clientName names the bridge in "nats server report connections".
const clientName = "treble-bridge"

// dialOptions returns the options for the server and the credentials: those of the embedded
// server if there is one.
func dialOptions(c *natsconfig.Credentials, e *embedded.Server) []nats.Option {
	opts := []nats.Option{nats.Name(clientName), nats.Timeout(connectTimeout)}
	if e != nil {
		// As the server was started: its file may hold another token by now.
		return append(opts, nats.InProcessServer(e), nats.Token(e.Token()))
	}
	return append(opts, c.Options()...)
}

// Connect connects a client command. Its role appears in the server's list of connections.
// Connect fails if NATS does not answer now, or when ctx ends; a connection that is lost later is
// made again. If cfg.URL is empty, it connects to addr, the host:port of the embedded server of a
// running bridge.
func Connect(ctx context.Context, cfg natsconfig.Config, addr, role string, log *zap.Logger) (*Conn, error) {
	c, err := newConn(cfg, int64(cfg.MaxPayload), log, nil)
	if err != nil {
		return nil, err
	}
	url, where, opts := clientOptions(cfg, c.creds, addr, role)
	nc, err := connectOnce(ctx, url, append(opts, c.clientHandlers()...))
	if err != nil {
		if fix := cfg.Remedy(err); fix != "" {
			return nil, fmt.Errorf("connect to %s: %w: %s", where, err, fix)
		}
		return nil, fmt.Errorf("connect to %s: %w", where, err)
	}
	if err := c.use(nc); err != nil {
		return nil, err
	}
	c.learnPayload(nc)
	c.link.Up(nc.ConnectedServerId())
	return c, nil
}

func clientOptions(cfg natsconfig.Config, creds *natsconfig.Credentials, addr, role string) (url, where string, opts []nats.Option) {
	opts = []nats.Option{
		nats.Name(clientName + " " + role), nats.Timeout(connectTimeout), nats.MaxReconnects(-1),
		// Without a reconnect buffer, or what failed here could be sent all the same.
		nats.ReconnectBufSize(-1), nats.FlusherTimeout(writeTimeout),
	}
	if url := cfg.URL; url != "" {
		return url, "nats.url", append(opts, creds.Options()...)
	}
	opts = append(opts, creds.EmbeddedOptions()...)
	return "nats://" + addr, "the embedded server at " + addr + " (is the bridge running?)", opts
}

func (c *Conn) clientHandlers() []nats.Option {
	return []nats.Option{
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.asyncError(err)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.link.Down(false)
			if err != nil {
				c.log.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.noteAway(err) }),
		nats.CustomReconnectDelay(c.reconnectDelay(nats.DefaultReconnectWait, nats.DefaultReconnectJitter)),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.said.Forget()
			c.learnPayload(nc)
			c.denied.Forget()
			c.link.Up(nc.ConnectedServerId())
			c.log.Info("connected to nats again")
		}),
		nats.ClosedHandler(func(*nats.Conn) { c.link.Down(false) }),
	}
}

// connectOnce calls nats.Connect, and gives up when ctx ends.
func connectOnce(ctx context.Context, url string, opts []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, opts...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() { // the attempt has its own, short timeout
			if r := <-done; r.err == nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}
