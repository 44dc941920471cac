package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/publisher"
)

func newJournalExport(streams stdio) *cobra.Command {
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what a stopped bridge did not publish as deliveries, one a line",
		Long: `Write the pending deliveries of the journal in data_dir to a file or to standard
output, one JSON object a line, in their order: received, source, path, test, and the
body as Treble sent it. It is for when the host is gone and its disk is not: on
another bridge, "treble-bridge send --file X.ndjson" publishes them, with the time at
which they were received. Nothing is changed, and no NATS is needed. A bridge that
can be started again needs none of this: it publishes what is pending by itself. A
running one is refused.

Use the configuration of the bridge that wrote the journal (--config, sources): it
says which path makes the same events again. An event gets the id that it has in
the journal; only one without an id and a time of its own (dedupekey none) gets a
new one. An event that was published, and the note of it lost with the host, is in
the export too: to import it is a repeated delivery, which the stream drops within
its duplicate window, and stores a second time after it.

What was published is not in this, also if it is only in the embedded NATS of the
same data_dir; what was set aside is in "treble-bridge journal set-aside export".

THE EXPORT HOLDS PERSONAL DATA: phone numbers, texts and session variables as
Treble sent them. A file is made for its owner alone; one that exists is not
touched.

Entries that are damaged are named on standard error, and the exit code is then 1.
--json prints the summary as JSON: to, deliveries, events, damaged (entries), notes
(deliveries that would not give the same events with this configuration).`,
		Example: `  treble-bridge journal export --data-dir /mnt/disk-of-a-dead-host --to pending.ndjson
  treble-bridge send --file pending.ndjson          # on the new bridge`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			p, err := newPathFinder(&loaded.Config)
			if err != nil {
				return err
			}
			e := journalExport{paths: p, errs: streams.err, To: to}
			var state *publisher.JournalState
			err = exportTo(streams, to, func(w io.Writer) error {
				state, err = publisher.EachPending(cmd.Context(), loaded.DataDir, func(d publisher.PendingDelivery) error { return e.add(w, d) })
				return err
			})
			if cmd.Context().Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return err
			}
			return e.finish(summaryOf(streams, to), state, asJSON)
		},
	}
	cmd.Flags().StringVar(&to, "to", "-", "file to write; -: standard output")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// journalExport is one run of the command. Its JSON form is stable.
type journalExport struct {
	paths *pathFinder
	errs  io.Writer

	To         string `json:"to"`
	Deliveries int64  `json:"deliveries"`
	Events     int64  `json:"events"`
	Damaged    int64  `json:"damaged"`
	Notes      int64  `json:"notes"`
}

func (e *journalExport) add(w io.Writer, d publisher.PendingDelivery) error {
	if d.Damaged != nil {
		e.Damaged++
		fmt.Fprintf(e.errs, "damaged: entry %d: %s\n", d.Entry, printable(d.Damaged.Error()))
		return nil
	}
	line, note := e.paths.line(d.Events)
	if note != "" {
		if e.Notes++; e.Notes <= mostNamed {
			fmt.Fprintf(e.errs, "note: entry %d: %s\n", d.Entry, note)
		}
	}
	e.Deliveries++
	e.Events += int64(len(d.Events))
	return writeLine(w, line)
}

// finish prints the summary and what to do next. It is an error if something
// that was accepted is not in the export.
func (e *journalExport) finish(out io.Writer, s *publisher.JournalState, asJSON bool) error {
	if more := e.Notes - mostNamed; more > 0 {
		fmt.Fprintf(e.errs, "note: and %d more\n", more)
	}
	for _, d := range s.Damage {
		if d.FirstLost == 0 || d.LastLost <= s.Done {
			continue // nothing that was pending
		}
		first := max(d.FirstLost, s.Done+1)
		e.Damaged += int64(d.LastLost-first) + 1
		fmt.Fprintf(e.errs, "damaged: entries %d to %d are lost: segment %s at %d\n", first, d.LastLost, d.Segment, d.Offset)
	}
	var errs []error
	if asJSON {
		errs = append(errs, json.NewEncoder(out).Encode(e))
	} else {
		errs = append(errs, e.print(out))
	}
	if e.Damaged > 0 {
		errs = append(errs, fmt.Errorf("%s not exported: damaged; see treble-bridge journal verify", count(e.Damaged, "entry is", "entries are")))
	}
	if len(s.Problems) > 0 {
		errs = append(errs, errors.New("the journal says what cannot be, so that more or less may be pending; see treble-bridge journal verify"))
	}
	return errors.Join(errs...)
}

func (e *journalExport) print(w io.Writer) error {
	if e.Deliveries == 0 && e.Damaged == 0 {
		_, err := fmt.Fprintln(w, "nothing is pending: everything that was accepted is published, or set aside")
		return err
	}
	file := e.To
	if file == "-" {
		file = "FILE.ndjson"
	}
	_, err := fmt.Fprintf(w, "exported %s in %s\nNext, where the new bridge runs: treble-bridge send --file %s\nThen remove the old data_dir, so that no bridge publishes the same from it.\n",
		count(e.Events, "event", "events"), count(e.Deliveries, "delivery", "deliveries"), shellWords(file))
	return err
}

// writeNewFile makes a new file for its owner alone. It is whole and flushed, or
// not there.
func writeNewFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: name another file, or remove it first", name)
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	return errors.Join(write(f), f.Sync(), f.Close())
}
