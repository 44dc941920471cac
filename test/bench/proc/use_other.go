//go:build !linux

package proc

import (
	"syscall"
	"time"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// CPU is not known here.
func (p *Process) CPU() time.Duration { return 0 }

// PeakMemory is not known here.
func (p *Process) PeakMemory() int64 { return 0 }

// ResetPeak does nothing here.
func (p *Process) ResetPeak() {}

// MaxFiles returns a number of files that every process may have open.
func MaxFiles() int { return 1024 }

// Busy is not known here.
func Busy() time.Duration { return 0 }
