package config

import (
	"errors"
	"fmt"
	"net"

	"github.com/treble-bridge/treble-bridge/config/value"
	"go.uber.org/zap/zapcore"
)

// Validate checks every package's part, and what only shows when the parts
// are seen together. It reads the files with secrets, and changes nothing. The error joins
// every problem and names the keys.
func (c *Config) Validate() error {
	errs := []error{
		c.Ingress.Validate(),
		c.Ops.Validate(),
		c.NATS.Validate(),
		c.Publisher.Validate(),
		c.Journal.Validate(),
		c.Encryption.Validate(),
		c.validateOwn(),
		c.validateSources(),
		c.validateTimeouts(),
		c.validateAddrs(),
	}
	return errors.Join(errs...)
}

func (c *Config) validateOwn() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New(`data_dir: is empty: name a directory, such as "./data"`))
	}
	if c.ShutdownTimeout <= 0 {
		errs = append(errs, fmt.Errorf("shutdown_timeout: %s: use more than 0, such as 25s", value.FormatDuration(c.ShutdownTimeout)))
	}
	if _, err := zapcore.ParseLevel(c.Log.Level); err != nil || c.Log.Level == "" {
		errs = append(errs, fmt.Errorf("log.level: %q: use debug, info, warn or error", c.Log.Level))
	}
	if c.Log.Format != FormatJSON && c.Log.Format != FormatConsole {
		errs = append(errs, fmt.Errorf("log.format: %q: use %s or %s", c.Log.Format, FormatJSON, FormatConsole))
	}
	return errors.Join(errs...)
}

// validateTimeouts: the shorter of two nested waits must end first, or the
// outer one hides what the inner one found out.
func (c *Config) validateTimeouts() error {
	if c.Publisher.AckTimeout < c.Ingress.AcceptTimeout {
		return nil
	}
	return fmt.Errorf("publisher.ack_timeout (%s) must be less than ingress.accept_timeout (%s): the latter waits for the former",
		value.FormatDuration(c.Publisher.AckTimeout), value.FormatDuration(c.Ingress.AcceptTimeout))
}

// validateAddrs finds two listeners on one port. Port 0 is never a conflict.
func (c *Config) validateAddrs() error {
	listeners := []struct{ key, addr string }{
		{"ingress.addr", c.Ingress.Addr},
		{"ops.addr", c.Ops.Addr},
	}
	if c.NATS.URL == "" {
		listeners = append(listeners, struct{ key, addr string }{"nats.embedded.addr", c.NATS.Embedded.Addr})
	}
	var errs []error
	for i, a := range listeners {
		for _, b := range listeners[i+1:] {
			if collide(a.addr, b.addr) {
				errs = append(errs, fmt.Errorf("%s (%s) and %s (%s): two listeners on one port: change one of them", a.key, a.addr, b.key, b.addr))
			}
		}
	}
	return errors.Join(errs...)
}

// collide reports whether two addresses cannot both be listened on. A text that is no
// address does not collide: another check reports it.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return value.IsEveryHost(hostA) || value.IsEveryHost(hostB) || hostA == hostB
}
