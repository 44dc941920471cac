package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// listening is an address of the bridge.
type listening struct{ key, configured, bound string }

func (d *command) listeners() []listening {
	c := d.config
	all := []listening{{"ingress.addr", c.Ingress.Addr, d.at.Ingress}, {"ops.addr", c.Ops.Addr, d.at.Ops}}
	if c.NATS.URL == "" {
		all = append(all, listening{"nats.embedded.addr", c.NATS.Embedded.Addr, d.at.NATS})
	}
	return all
}

// checkPorts asks whether a running bridge answers at its addresses, and whether
// one that does not run could listen at them.
func (d *command) checkPorts(ctx context.Context) []diagnose.Check {
	var checks []diagnose.Check
	for _, l := range d.listeners() {
		c := diagnose.Check{Name: "ports", Of: l.key, Status: diagnose.Pass}
		if d.running || d.pid > 0 {
			d.checkAnswer(ctx, l, &c)
		} else {
			checkFree(l, &c)
		}
		checks = append(checks, c)
	}
	return checks
}

func (d *command) checkAnswer(ctx context.Context, l listening, c *diagnose.Check) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.bound)
	if err != nil {
		c.Status, c.Detail = diagnose.Fail, fmt.Sprintf("a bridge runs, and nothing answers at %s", l.bound)
		c.Fix = d.restartLine()
		if d.starting {
			c.Detail, c.Fix = fmt.Sprintf("the bridge is starting, and nothing answers at %s yet", l.bound), d.waitLine()
		}
		return
	}
	conn.Close()
	c.Detail = fmt.Sprintf("the bridge answers at %s", l.bound)
}

// anotherAddress stands in a fix for the address that the operator has to choose.
const anotherAddress = "<another address>"

// checkFree listens for a moment, and takes no connection.
func checkFree(l listening, c *diagnose.Check) {
	bound, err := net.Listen("tcp", l.configured)
	switch {
	case err == nil:
		bound.Close()
		c.Detail = fmt.Sprintf("%s is free for the bridge", l.configured)
	case errors.Is(err, syscall.EADDRINUSE):
		c.Status, c.Detail = diagnose.Fail, fmt.Sprintf("%s is taken by another process, so the bridge cannot start", l.configured)
		c.Fix, c.FixIn = diagnose.Setting(l.key, anotherAddress), diagnose.InEnv
	case errors.Is(err, os.ErrPermission):
		c.Status, c.Detail = diagnose.Fail, fmt.Sprintf("this user may not listen at %s", l.configured)
		c.Fix = "sudo sysctl net.ipv4.ip_unprivileged_port_start=80"
	default:
		c.Status, c.Detail = diagnose.Fail, fmt.Sprintf("nobody can listen at %s here: %v", l.configured, errors.Unwrap(err))
		c.Fix, c.FixIn = diagnose.Setting(l.key, anotherAddress), diagnose.InEnv
	}
}
