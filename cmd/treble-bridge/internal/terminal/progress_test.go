package terminal

import (
	"testing"
	"time"
)

func TestProgressText(t *testing.T) {
	p := &Progress{total: 200, count: 50, failed: 1}
	if got, want := p.text(10*time.Second), "[=======                       ] 50/200  5/s  30s left  1 failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
