package broker_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestReasonSaysWhatMendsIt: why there is no connection is told with what mends it, and without the secret.
func TestReasonSaysWhatMendsIt(t *testing.T) {
	const canary = "canary-password"
	withTLS := func(o *server.Options) {
		pair := certtest.Load(t, certtest.New(t).Issue(t, "127.0.0.1"))
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	withUser := func(o *server.Options) { o.Username, o.Password = "u", "another" }
	as := func(scheme, userinfo string) func(addr string) natsconfig.Config {
		return func(addr string) natsconfig.Config {
			c := natsconfig.Default()
			c.URL = scheme + "://" + userinfo + addr
			return c
		}
	}
	for _, c := range []struct {
		name   string
		server func(*server.Options) // nil: none
		config func(addr string) natsconfig.Config
		want   []string
	}{
		{"password", withUser, func(addr string) natsconfig.Config {
			c := as("nats", "")(addr)
			c.User, c.Password = "u", canary
			return c
		}, []string{"uthorization", "correct nats.password"}},
		{"no-credentials", withUser, as("nats", ""), []string{"uthorization", "correct nats.token"}},
		{"password-in-url", withUser, as("nats", "u:"+canary+"@"), []string{"uthorization", "correct nats.url"}},
		{"authority", withTLS, as("tls", ""), []string{"unknown authority", "nats.tls.ca_file"}},
		{"no-tls", func(*server.Options) {}, as("tls", ""), []string{"secure connection not available", "use nats:// in nats.url"}},
		{"name", nil, func(string) natsconfig.Config { return as("nats", "")("nobody.invalid:4222") }, []string{"nobody.invalid", "correct the name in nats.url"}},
		{"nobody", nil, as("nats", ""), []string{"connection refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			port := l.Addr().(*net.TCPAddr).Port
			l.Close()
			if c.server != nil {
				o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}
				c.server(o)
				port = natstest.Run(t, o).Addr().(*net.TCPAddr).Port
			}
			cfg := c.config(fmt.Sprintf("127.0.0.1:%d", port))
			_, err = broker.Connect(t.Context(), cfg, "", "test", zap.NewNop()) // a command, which does not wait
			if last := c.want[len(c.want)-1]; c.name != "nobody" && (err == nil || !strings.Contains(err.Error(), last) || strings.Contains(err.Error(), canary)) {
				t.Errorf("a command: got %v, want %q", err, last)
			}
			log, logs := natstest.Log(zap.WarnLevel)
			conn, err := broker.Dial(broker.Options{NATS: cfg, Payload: 1 << 20, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				conn.Close(ctx)
			}()
			natstest.Eventually(t, fmt.Sprintf("it says %q", c.want), func() bool {
				got := conn.Reason()
				if strings.Contains(got, canary) || strings.Contains(got, "->") {
					t.Fatalf("got %q", got)
				}
				for _, part := range c.want {
					if !strings.Contains(got, part) {
						return false
					}
				}
				return true
			})
			if last := c.want[len(c.want)-1]; c.name != "nobody" {
				natstest.Eventually(t, fmt.Sprintf("the log says %q too", last), func() bool {
					return slices.ContainsFunc(logs.All(), func(e observer.LoggedEntry) bool {
						return strings.Contains(fmt.Sprint(e.ContextMap()["fix"], e.ContextMap()["error"]), last)
					})
				})
			}
			seen := map[string]bool{}
			for _, e := range logs.All() {
				reason := strings.ToLower(fmt.Sprint(e.ContextMap()["error"]))
				if seen[reason] && e.ContextMap()["error"] != nil {
					t.Errorf("said twice: %s", reason)
				}
				seen[reason] = true
			}
		})
	}
}
