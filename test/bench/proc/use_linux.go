package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes keep Ctrl-C of the terminal away from a child, since the benchmark
// ends its children in order, and let the kernel kill it if the benchmark dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// CPU is the processor time that the process has used, all its threads
// together. The kernel's clock of it counts nanoseconds; /proc/PID/stat counts
// hundredths of a second, which is as much as a short round uses.
func (p *Process) CPU() time.Duration {
	var ts unix.Timespec
	clock := int32(^p.Pid()<<3 | 2) // CPUCLOCK_SCHED of another process, as clock_getcpuclockid(3) makes it
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// PeakMemory is the most that was resident since the start or the last
// ResetPeak, in bytes.
func (p *Process) PeakMemory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if rest, ok := bytes.CutPrefix(s.Bytes(), []byte("VmHWM:")); ok {
			kb, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(rest, []byte("kB")))), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// ResetPeak makes PeakMemory begin anew, where the kernel allows it.
func (p *Process) ResetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Pid()), []byte("5"), 0) // without it the peak is that of the whole run
}

// MaxFiles returns the number of files that a process may have open.
func MaxFiles() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<30))
}

// Busy is the processor time that everything on the machine has used, the
// hypervisor's share of it included.
func Busy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var ticks int64
	for i, f := range bytes.Fields(line) {
		switch i {
		case 1, 2, 3, 6, 7, 8: // user, nice, system, irq, softirq, steal
			n, _ := strconv.ParseInt(string(f), 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ, the same on every Linux of today
}
