package journal

import (
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/publisher/inspect"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

func newExport(streams cli.Streams) *cobra.Command {
	var to cli.Export
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what a stopped bridge did not publish as JSON, one message a line",
		Long: `Write the pending messages of the journals in data_dir to a file or to standard
output, one JSON object a line, the events first, then the refused bodies, each in their
order. The form is that of "treble-bridge journal set-aside export", and "treble-bridge
journal set-aside retry --from X.ndjson" publishes them, wherever a NATS can be reached.
It is for when the host is gone and its disk is not. Nothing is changed, and no NATS is
needed. A bridge that can be started again needs none of this: it publishes what is
pending by itself. A running one is refused.

Messages keep their ids. One that was published, and the note of it lost with the host, is
in the export too: the stream drops it within its duplicate window, and stores it a second
time after it.

What was published is not in this, also if it is only in the embedded NATS of the
same data_dir; what was set aside is in "treble-bridge journal set-aside export".

THE EXPORT HOLDS PERSONAL DATA: phone numbers, texts and session variables as
Treble sent them. A file is made for its owner alone; one that exists is not
touched.

Entries that are damaged are named on standard error, and the exit code is then 1.
--json prints the summary as JSON: to, exported (messages), damaged (entries).`,
		Example: `  treble-bridge journal export --data-dir /mnt/disk-of-a-dead-host --to pending.ndjson
  treble-bridge journal set-aside retry --from pending.ndjson          # on another host`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, keys, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			e := MessageExportJSON{errs: streams.Err, To: to.To}
			var state *inspect.State
			err = to.Write(streams, func(w io.Writer) error {
				state, err = inspect.EachPending(cmd.Context(), loaded.DataDir, keys, func(m setaside.Message) error { return e.write(w, m) })
				return err
			})
			if err != nil {
				return err
			}
			e.addLost(&state.Inspection)
			if state.Refused != nil {
				e.addLost(state.Refused)
			}
			err = errors.Join(to.Summarize(streams, e, e.nextStep()), e.incomplete("entry is", "entries are", "; see treble-bridge journal verify"))
			if len(state.Problems) > 0 || state.Refused != nil && len(state.Refused.Problems) > 0 {
				err = errors.Join(err, errors.New("the journal says what cannot be, so that more or less may be pending; see treble-bridge journal verify"))
			}
			return err
		},
	}
	to.Add(cmd)
	return cmd
}

// addLost counts the pending entries of a journal that are lost in damage.
func (e *MessageExportJSON) addLost(s *ledger.Inspection) {
	for _, d := range s.Damage {
		if d.FirstLost == 0 || d.LastLost <= s.Done {
			continue // nothing that was pending
		}
		first := max(d.FirstLost, s.Done+1)
		e.Damaged += int(d.LastLost-first) + 1
		fmt.Fprintf(e.errs, "damaged: entries %d to %d are lost: segment %s at %d\n", first, d.LastLost, d.Segment, d.Offset)
	}
}

// nextStep sums up an export of a journal, and says how to go on.
func (e *MessageExportJSON) nextStep() string {
	if e.Exported == 0 && e.Damaged == 0 {
		return "nothing is pending: everything that was accepted is published, or set aside"
	}
	file := e.To
	if file == "-" {
		file = "FILE.ndjson"
	}
	return fmt.Sprintf("exported %s\nNext, where NATS can be reached: treble-bridge journal set-aside retry --from %s\nThen remove the old data_dir, so that no bridge publishes the same from it.",
		english.Plural(e.Exported, "message", ""), cli.ShellWords(file))
}
