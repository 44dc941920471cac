package terminal

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table writes rows in columns. No cell can steer a terminal. Call Flush at its end.
type Table struct{ w *tabwriter.Writer }

// NewTable returns a table that begins with a row of headings, if there are any.
func NewTable(out io.Writer, headings ...any) Table {
	t := Table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if len(headings) > 0 {
		t.Row(headings...)
	}
	return t
}

// Row adds a row.
func (t Table) Row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, Printable(fmt.Sprint(cell)))
	}
	fmt.Fprintln(t.w)
}

// Flush writes what was added.
func (t Table) Flush() error { return t.w.Flush() }
