// Package proc starts the processes that a benchmark measures, says what they
// use, and ends them: each by its id, and all of them when the benchmark ends
// for whatever reason.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Group has the processes that a benchmark started and has not ended yet.
type Group struct {
	mu    sync.Mutex
	alive []*Process // guarded by mu
}

// Process is a process of a group.
type Process struct {
	Name   string
	group  *Group
	cmd    *exec.Cmd
	output tail
	ended  chan struct{} // closed when it has ended
}

// Start starts a program. env is added to an environment that has nothing of
// the developer's own but PATH and TMPDIR.
func (g *Group) Start(name, path string, args, env []string) (*Process, error) {
	p := &Process{Name: name, group: g, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = attributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	g.mu.Lock()
	g.alive = append(g.alive, p)
	g.mu.Unlock()
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// Close kills what is still alive.
func (g *Group) Close() {
	g.mu.Lock()
	alive := slices.Clone(g.alive)
	g.mu.Unlock()
	for _, p := range alive {
		p.Kill()
	}
}

// CPU is the processor time that this process and all that are alive have used.
func (g *Group) CPU() time.Duration {
	g.mu.Lock()
	alive := slices.Clone(g.alive)
	g.mu.Unlock()
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self) // it cannot fail with these arguments
	sum := time.Duration(self.Utime.Nano() + self.Stime.Nano())
	for _, p := range alive {
		sum += p.CPU()
	}
	return sum
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stop asks it to end and waits; after a while it kills it and says so.
func (p *Process) Stop(patience time.Duration) error {
	defer p.forget()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // if it is gone, that is what we want
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		p.Kill()
		return p.failure(fmt.Sprintf("did not end within %v", patience))
	}
}

// Kill ends it at once and waits until it is gone.
func (p *Process) Kill() {
	defer p.forget()
	_ = p.cmd.Process.Kill() // if it is gone, that is what we want
	<-p.ended
}

func (p *Process) forget() {
	p.group.mu.Lock()
	defer p.group.mu.Unlock()
	p.group.alive = slices.DeleteFunc(p.group.alive, func(q *Process) bool { return q == p })
}

// Await asks until there is no error, the process has ended or time is up.
func (p *Process) Await(ctx context.Context, what string, patience time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.failure("ended before: " + what)
		case <-ctx.Done():
			return errors.Join(p.failure("waiting for: "+what), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// failure is an error of the process itself.
func (p *Process) failure(what string) error { return p.With(fmt.Errorf("%s: %s", p.Name, what)) }

// With adds the last output of the process to an error that it has to do with.
func (p *Process) With(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; the last output of %s:\n%s", err, p.Name, p.output.String())
}

// tail keeps the last that a process wrote.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > 4*tailSize {
		t.b = bytes.Clone(t.b[len(t.b)-tailSize:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b[max(0, len(t.b)-tailSize):])
}
