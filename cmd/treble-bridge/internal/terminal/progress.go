package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// drawEvery keeps a fast run from drawing more than one can see.
const drawEvery = 100 * time.Millisecond

// Note is a line on a terminal that is written over again and again, and nothing elsewhere. It
// is not safe for concurrent use.
type Note struct {
	w     io.Writer // nil: draw nothing
	drawn time.Time
}

// NewNote draws nothing unless w is a terminal.
func NewNote(w io.Writer) *Note {
	if !Is(w) {
		w = nil
	}
	return &Note{w: w}
}

// Printf draws the line, unless it has just been drawn.
func (n *Note) Printf(format string, args ...any) {
	if now := time.Now(); n.w != nil && now.Sub(n.drawn) >= drawEvery {
		n.drawn = now
		fmt.Fprint(n.w, "\r\x1b[K", fmt.Sprintf(format, args...))
	}
}

// Done removes the line.
func (n *Note) Done() {
	if n.w != nil {
		fmt.Fprint(n.w, "\r\x1b[K")
	}
}

// Progress draws a bar on a terminal, and nothing elsewhere. It is not safe
// for concurrent use.
type Progress struct {
	Note
	Before int // done by another process, which says nothing of the rate

	total  int
	count  int
	failed int
	began  time.Time
}

// NewProgress draws nothing if there is only one to wait for.
func NewProgress(w io.Writer, total int) *Progress {
	if total < 2 {
		w = nil
	}
	return &Progress{Note: *NewNote(w), total: total, began: time.Now()}
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
	p.Printf("%s", p)
}

// String is the bar with rate and time left.
func (p *Progress) String() string { return p.text(time.Since(p.began)) }

func (p *Progress) text(elapsed time.Duration) string {
	const width = 30
	filled := width * p.count / max(p.total, 1)
	rate := float64(p.count-p.Before) / max(elapsed.Seconds(), 0.001)
	left := time.Duration(float64(p.total-p.count) / max(rate, 0.001) * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("[%s%s] %d/%d  %.0f/s  %s left", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), p.count, p.total, rate, left)
	if p.failed > 0 {
		text += fmt.Sprintf("  %d failed", p.failed)
	}
	return text
}
