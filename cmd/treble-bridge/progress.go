package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress draws a bar on a terminal, and nothing elsewhere. It is not safe
// for concurrent use.
type progress struct {
	w      io.Writer // nil: draw nothing
	total  int
	count  int
	failed int
	before int // done by another process, which says nothing of the rate
	began  time.Time
	drawn  time.Time
}

// drawEvery keeps a fast run from drawing more than one can see.
const drawEvery = 100 * time.Millisecond

func newProgress(w io.Writer, total int) *progress {
	if total < 2 || !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, total: total, began: time.Now()}
}

// step counts one of the total.
func (p *progress) step(ok bool) {
	if !ok {
		p.failed++
	}
	p.reached(p.count + 1)
}

// reached counts up to n at once.
func (p *progress) reached(n int) {
	p.count = n
	if now := time.Now(); p.w != nil && now.Sub(p.drawn) >= drawEvery {
		p.drawn = now
		fmt.Fprint(p.w, "\r\x1b[K", p.text(now.Sub(p.began)))
	}
}

// text is the bar with rate and time left.
func (p *progress) text(elapsed time.Duration) string {
	const width = 30
	filled := width * p.count / p.total
	rate := float64(p.count-p.before) / max(elapsed.Seconds(), 0.001)
	left := time.Duration(float64(p.total-p.count) / max(rate, 0.001) * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("[%s%s] %d/%d  %.0f/s  %s left", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), p.count, p.total, rate, left)
	if p.failed > 0 {
		text += fmt.Sprintf("  %d failed", p.failed)
	}
	return text
}

// done removes the bar.
func (p *progress) done() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
