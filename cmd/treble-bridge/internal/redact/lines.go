package redact

import (
	"bytes"
	"io"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

// Lines returns a writer of JSON lines for out: on a terminal what could steer it is escaped, which
// changes no value; elsewhere every byte stays. Whoever writes ends with a line end.
func Lines(out io.Writer) io.Writer {
	if !terminal.Is(out) {
		return out
	}
	return &harmlessLines{out: out}
}

type harmlessLines struct {
	out   io.Writer
	begun []byte // of the line that is not complete
}

func (h *harmlessLines) Write(p []byte) (int, error) {
	written := 0
	for rest := p; ; {
		line, more, complete := bytes.Cut(rest, []byte("\n"))
		h.begun = append(h.begun, line...)
		if !complete {
			return len(p), nil
		}
		_, err := h.out.Write(append(Harmless(h.begun), '\n'))
		h.begun = h.begun[:0]
		if err != nil {
			return written, err
		}
		written += len(line) + 1
		rest = more
	}
}
