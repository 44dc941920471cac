package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

func newSetAsideExport(streams stdio) *cobra.Command {
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what was set aside as JSON, one message a line",
		Long: `Write the messages in data_dir/set-aside to a file or to standard output, one JSON
object a line: file, subject, reason, time, headers, and the data: an event's
envelope as data, anything else as data_base64. Nothing is removed.

THE EXPORT HOLDS PERSONAL DATA: phone numbers, texts and session variables as
Treble sent them. A file is made for its owner alone; one that exists is not
touched.

Damaged files are named on standard error, and the exit code is then 1.
--json prints the summary as JSON: to, exported, damaged.`,
		Example: `  treble-bridge journal set-aside export --to aside.ndjson
  treble-bridge journal set-aside export | jq .data.type`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			e := export{files: setaside.OpenDir(loaded.DataDir), errs: streams.err, To: to}
			summary := streams.out
			if to == "-" {
				summary = streams.err // standard output is the export
				err = e.write(streams.out)
			} else {
				err = writeNewFile(to, e.write)
			}
			if err != nil {
				return err
			}
			return e.print(summary, asJSON)
		},
	}
	cmd.Flags().StringVar(&to, "to", "-", "file to write; -: standard output")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// export is one run of the command. Its JSON form is stable.
type export struct {
	files    setaside.Dir
	errs     io.Writer
	To       string `json:"to"`
	Exported int    `json:"exported"`
	Damaged  int    `json:"damaged"`
}

func (e *export) write(w io.Writer) error {
	names, err := e.files.Files()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, name := range names {
		m, err := e.files.Read(name)
		if err != nil {
			return err
		}
		if m.Damaged != nil {
			e.Damaged++
			fmt.Fprintf(e.errs, "damaged: %s: %s\n", printable(name), printable(m.Damaged.Error()))
			continue
		}
		line, err := m.Line()
		if err == nil {
			_, err = out.Write(line)
		}
		if err != nil {
			return err
		}
		e.Exported++
	}
	return out.Flush()
}

func (e *export) print(w io.Writer, asJSON bool) error {
	var err error
	if asJSON {
		err = json.NewEncoder(w).Encode(e)
	} else {
		_, err = fmt.Fprintf(w, "exported %s\n", count(int64(e.Exported), "message", "messages"))
	}
	if e.Damaged > 0 {
		err = errors.Join(err, fmt.Errorf("%s not exported: damaged", count(int64(e.Damaged), "file is", "files are")))
	}
	return err
}
