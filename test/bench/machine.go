package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// machine describes the machine of a measurement, so that a reader can compare it with another one.
type machine struct {
	OS        string    `json:"os"`
	Processor string    `json:"processor"`
	Cores     int       `json:"cores"`
	MemoryGB  int       `json:"memory_gb"`
	Go        string    `json:"go"`
	NATS      string    `json:"nats_server"`
	Bridge    string    `json:"bridge"` // commit
	Flush     float64   `json:"flush_ms"`
	At        time.Time `json:"at"`
}

func machineOf(ctx context.Context, b *bench) machine {
	m := machine{
		OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(), At: time.Now().UTC().Truncate(time.Second),
		NATS:   output(ctx, b.root, "go", "list", "-m", "-f", "{{.Version}}", "github.com/nats-io/nats-server/v2"),
		Bridge: output(ctx, b.root, "git", "rev-parse", "--short=10", "HEAD"),
		Flush:  flushTime(b.dir),
	}
	if k := output(ctx, ".", "uname", "-r"); k != "" {
		m.OS += ", kernel " + k
	}
	m.Processor = field("/proc/cpuinfo", "model name")
	if kb := strings.Fields(field("/proc/meminfo", "MemTotal")); len(kb) > 0 {
		if n, err := ints(kb[0]); err == nil {
			m.MemoryGB = (n[0] + 1<<19) >> 20
		}
	}
	return m
}

// output returns the output of a command, "" if it cannot be run: a report without it
// is better than none.
func output(ctx context.Context, dir, name string, args ...string) string {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// field is the first value with a name in one of the kernel's files.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// flushTime returns the median time of an append of 4 KiB and its flush, in milliseconds: the least
// time of a durable answer.
func flushTime(dir string) float64 {
	f, err := os.CreateTemp(dir, "flush-")
	if err != nil {
		return 0
	}
	defer func() { _ = os.Remove(f.Name()) }() // in a directory of temporary files
	defer f.Close()
	var took []float64
	for range 50 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0
		}
		if err := f.Sync(); err != nil {
			return 0
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	return ratio.Of(took).Median
}
