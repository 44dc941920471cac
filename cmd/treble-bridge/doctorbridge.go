package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// askBridge finds out whether a bridge runs, and what it says of itself.
func (d *doctor) askBridge(ctx context.Context) diagnose.Check {
	held, pid, _ := datadir.HeldBy(d.config.DataDir)
	if held {
		d.pid = pid
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	url := "http://" + d.at.Ops + "/readyz"
	answer, err := askHealth(ctx, url)
	if err != nil {
		return d.notRunning(held)
	}
	d.running = true
	c := diagnose.Check{Name: "bridge", Status: diagnose.Pass, Detail: answer.Status}
	c.Fix, c.FixIn = mending(answer.Reasons)
	switch answer.Status {
	case ingress.Ready:
		c.Fix, c.FixIn = "", ""
		return c
	case ingress.Degraded:
		c.Status = diagnose.Warn
	default:
		c.Status = diagnose.Fail
	}
	c.Detail += ": " + strings.Join(answer.Reasons, "; ")
	return c
}

// notRunning is the line for a bridge that does not answer. If it was to be tried,
// that is a failure.
func (d *doctor) notRunning(held bool) diagnose.Check {
	c := diagnose.Check{Name: "bridge", Status: diagnose.Fail, FixIn: diagnose.InShell}
	if held {
		c.Detail = fmt.Sprintf("a process (pid %d) holds data_dir, and /readyz does not answer at %s", d.pid, d.at.Ops)
		c.Fix = d.restartLine()
		return c
	}
	if d.noProbe {
		c.Status = diagnose.Warn
	}
	c.Detail = fmt.Sprintf("no bridge runs on %s: nobody receives what Treble sends, and Treble does not send it again", d.config.DataDir)
	c.Fix = d.serveLine()
	if file := filepath.Join(d.config.DataDir, datadir.Addrs); exists(file) {
		c.Detail += "; it ended without a shutdown"
	}
	return c
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// mending is the line that the reasons name and where to put it, or where to read on.
func mending(reasons []string) (fix, in string) {
	for _, r := range reasons {
		for before, in := range map[string]string{
			"; fix: ":                               diagnose.InShell,
			"; fix, in the environment: ":           diagnose.InEnv,
			"; fix, in " + diagnose.InServer + ": ": diagnose.InServer,
		} {
			if _, fix, ok := strings.Cut(r, before); ok {
				return fix, in
			}
		}
		if _, command, ok := strings.Cut(r, "see treble-bridge "); ok {
			return "treble-bridge " + command, diagnose.InShell
		}
	}
	return "treble-bridge health", diagnose.InShell
}

// serveLine starts a bridge with this configuration.
func (d *doctor) serveLine() string {
	words := []string{"treble-bridge", "serve"}
	if d.config.File != "" {
		words = append(words, "--config", d.config.File)
	}
	if d.config.Origins["data_dir"] == config.OriginFlag {
		words = append(words, "--data-dir", d.config.DataDir)
	}
	return shellWords(words...)
}

// restartLine ends the running bridge and starts it with this configuration.
func (d *doctor) restartLine() string {
	if d.pid == 0 {
		return d.serveLine()
	}
	return fmt.Sprintf("kill %d && tail --pid=%d -f /dev/null; %s", d.pid, d.pid, d.serveLine())
}
