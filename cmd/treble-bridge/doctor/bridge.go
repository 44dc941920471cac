package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// askBridge finds out whether a bridge runs, and checks its answer at /readyz.
func (d *command) askBridge(ctx context.Context) diagnose.Check {
	held, pid, _ := datadir.HeldBy(d.config.DataDir)
	if held {
		d.pid, d.starting = pid, isStarting(d.config.DataDir)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	answer, err := d.askOnceStarted(ctx)
	if err != nil {
		return d.notRunning(held)
	}
	if held, _, err := datadir.HeldBy(d.config.DataDir); err == nil && !held {
		c := d.notRunning(false)
		c.Detail += fmt.Sprintf("; another bridge answers at %s", d.at.Ops)
		return c
	}
	d.running, d.starting = true, false
	c := diagnose.Check{Name: "bridge", Status: diagnose.Pass, Detail: answer.Status}
	c.Fix, c.FixIn = firstFix(answer.Details)
	switch answer.Status {
	case ops.Ready:
		c.Fix, c.FixIn = "", ""
		return c
	case ops.Degraded:
		c.Status = diagnose.Warn
	default:
		c.Status = diagnose.Fail
	}
	c.Detail += ": " + strings.Join(answer.Reasons, "; ")
	return c
}

// askOnceStarted asks the bridge how it is. One that is starting is waited for until ctx ends.
func (d *command) askOnceStarted(ctx context.Context) (ops.Readiness, error) {
	for {
		wait := d.starting
		answer, err := cli.AskReadiness(ctx, "http://"+d.at.Ops+"/readyz")
		if err == nil || !wait {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(50 * time.Millisecond):
		}
		d.starting = isStarting(d.config.DataDir)
		if at, err := cli.ClientAddrs(&d.config.Config); err == nil {
			d.at = at // a port of 0 is known only now
		}
	}
}

// notRunning is the line for a bridge that does not answer. If it was to be tried,
// that is a failure.
func (d *command) notRunning(held bool) diagnose.Check {
	c := diagnose.Check{Name: "bridge", Status: diagnose.Fail}
	if held {
		c.Detail = fmt.Sprintf("a process (pid %d) holds data_dir, and /readyz does not answer at %s", d.pid, d.at.Ops)
		c.Fix = d.restartLine()
		if d.starting {
			c.Detail, c.Fix = fmt.Sprintf("it is starting (pid %d), and does not listen yet: it reads its journal, and waits for NATS for some seconds", d.pid), d.waitLine()
		}
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

// firstFix is the first line that mends a reason and where to put it, or the command that tells
// more.
func firstFix(details []ops.Detail) (fix, in string) {
	for _, d := range details {
		if d.Fix != "" {
			return d.Fix, d.FixIn
		}
	}
	return "treble-bridge health", diagnose.InShell
}

// isStarting reports whether the bridge that holds a data_dir has not listened yet: what it
// writes then is not there, or of an earlier one.
func isStarting(dataDir string) bool {
	held, err := os.Stat(filepath.Join(dataDir, datadir.LockFile))
	if err != nil {
		return false
	}
	listens, err := os.Stat(filepath.Join(dataDir, datadir.Addrs))
	return errors.Is(err, fs.ErrNotExist) || err == nil && listens.ModTime().Before(held.ModTime())
}

// serveLine starts a bridge with this configuration.
func (d *command) serveLine() string { return d.commandLine("serve") }

// waitLine looks again later.
func (d *command) waitLine() string {
	return d.commandLine("doctor") + "  # wait, then look again"
}

// commandLine is a command with this configuration.
func (d *command) commandLine(command string) string {
	words := []string{"treble-bridge", command}
	if d.config.File != "" {
		words = append(words, "--config", d.config.File)
	}
	if d.config.Origins["data_dir"] == config.OriginFlag {
		words = append(words, "--data-dir", d.config.DataDir)
	}
	return cli.ShellWords(words...)
}

// restartLine starts a bridge with this configuration once the running one has ended. It ends
// no process: the running bridge may be busy, and its operator knows how to stop it.
func (d *command) restartLine() string {
	if d.pid == 0 {
		return d.serveLine()
	}
	return fmt.Sprintf("%s  # after the running one (pid %d) has ended", d.serveLine(), d.pid)
}
