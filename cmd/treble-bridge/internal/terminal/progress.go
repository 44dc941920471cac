package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress draws a bar on a terminal, and nothing elsewhere. It is not safe
// for concurrent use.
type Progress struct {
	w      io.Writer // nil: draw nothing
	total  int
	count  int
	failed int
	Before int // done by another process, which says nothing of the rate
	began  time.Time
	drawn  time.Time
}

// DrawEvery keeps a fast run from drawing more than one can see.
const DrawEvery = 100 * time.Millisecond

func NewProgress(w io.Writer, total int) *Progress {
	if total < 2 || !Is(w) {
		w = nil
	}
	return &Progress{w: w, total: total, began: time.Now()}
}

// Step counts one of the total.
func (p *Progress) Step(ok bool) {
	if !ok {
		p.failed++
	}
	p.Reached(p.count + 1)
}

// Reached counts up to n at once.
func (p *Progress) Reached(n int) {
	p.count = n
	if now := time.Now(); p.w != nil && now.Sub(p.drawn) >= DrawEvery {
		p.drawn = now
		fmt.Fprint(p.w, "\r\x1b[K", p.text(now.Sub(p.began)))
	}
}

// text is the bar with rate and time left.
func (p *Progress) text(elapsed time.Duration) string {
	const width = 30
	filled := width * p.count / p.total
	rate := float64(p.count-p.Before) / max(elapsed.Seconds(), 0.001)
	left := time.Duration(float64(p.total-p.count) / max(rate, 0.001) * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("[%s%s] %d/%d  %.0f/s  %s left", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), p.count, p.total, rate, left)
	if p.failed > 0 {
		text += fmt.Sprintf("  %d failed", p.failed)
	}
	return text
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
