// Package terminal writes for people: colours, a bar for progress, and text from outside as
// nothing that could steer a terminal.
package terminal

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// Is reports whether a reader or writer is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Palette colours text for people, or leaves it alone.
type Palette struct{ On bool }

// PaletteFor turns colours on for a terminal, unless NO_COLOR is set
// (https://no-color.org).
func PaletteFor(w io.Writer) Palette {
	return Palette{On: Is(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// The codes of the colours in use.
const (
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Cyan   = "36"
)

// Paint returns the text in a colour, or as it is if colours are off.
func (p Palette) Paint(code, text string) string {
	if !p.On || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
