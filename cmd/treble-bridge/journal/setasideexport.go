package journal

import (
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

func newSetAsideExport(streams cli.Streams) *cobra.Command {
	var to cli.Export
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what was set aside as JSON, one message a line",
		Long: `Write the messages in data_dir/set-aside to a file or to standard output, one JSON
object a line: file, subject, reason, time, headers, and the data: an event's
envelope as data, and byte for byte as data_base64 besides where white space in it is lost
on one line; anything else as data_base64. Nothing is removed, and "treble-bridge journal
set-aside retry --from" publishes such a file.

THE EXPORT HOLDS PERSONAL DATA: phone numbers, texts and session variables as
Treble sent them. A file is made for its owner alone; one that exists is not
touched.

Damaged files are named on standard error, and the exit code is then 1.
--json prints the summary as JSON: to, exported, damaged.`,
		Example: `  treble-bridge journal set-aside export --to aside.ndjson
  treble-bridge journal set-aside export | jq .data.type`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := openSetAside(cmd)
			if err != nil {
				return err
			}
			e := MessageExportJSON{errs: streams.Err, To: to.To}
			err = to.Write(streams, func(w io.Writer) error {
				for m, err := range files.All() {
					if err == nil {
						err = e.write(w, m)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			return errors.Join(to.Summarize(streams, e, "exported "+english.Plural(e.Exported, "message", "")), e.incomplete("file is", "files are", ""))
		},
	}
	to.Add(cmd)
	return cmd
}

// MessageExportJSON is the summary of an export of messages. Its form is stable.
type MessageExportJSON struct {
	errs     io.Writer
	To       string `json:"to"`
	Exported int    `json:"exported"`
	Damaged  int    `json:"damaged"`
}

// write writes one message. One that is damaged is named instead.
func (e *MessageExportJSON) write(w io.Writer, m setaside.Message) error {
	if m.Damaged != nil {
		e.Damaged++
		fmt.Fprintf(e.errs, "damaged: %s%s\n", terminal.Printable(prefixed(m.File)), terminal.Printable(m.Damaged.Error()))
		return nil
	}
	line, err := m.Line()
	if err == nil {
		_, err = w.Write(line)
	}
	if err == nil {
		e.Exported++
	}
	return err
}

// prefixed returns the name of a file with a colon; "" if there is none.
func prefixed(file string) string {
	if file == "" {
		return ""
	}
	return file + ": "
}

// incomplete is an error if messages are not in the export since what holds them is damaged.
func (e *MessageExportJSON) incomplete(one, many, see string) error {
	if e.Damaged == 0 {
		return nil
	}
	return fmt.Errorf("%s not exported: damaged%s", english.Plural(e.Damaged, one, many), see)
}
