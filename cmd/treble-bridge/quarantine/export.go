package quarantine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
)

func newExport(streams cli.Streams) *cobra.Command {
	var flags choiceFlags
	var to cli.Export
	cmd := &cobra.Command{
		Use:   "export [ID…]",
		Short: "Write refused bodies as deliveries, one a line",
		Long: `Write the refused bodies in the quarantine, or those that are chosen, to a file or to
standard output, one JSON object a line: id, received, source, path, test, reason,
violations, and the body: as body, if it is JSON and can stand on one line as it
is, else its exact bytes as body_base64. "treble-bridge send --file X.ndjson" posts
such lines to a bridge. Nothing is removed.

THE EXPORT HOLDS PERSONAL DATA: phone numbers, texts and session variables as
Treble sent them. A file is made for its owner alone; one that exists is not
touched.

--json prints the summary as JSON: to, exported.`,
		Example: `  treble-bridge quarantine export --to refused.ndjson
  treble-bridge quarantine export --reason missing-fields | jq .body`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) > 0 && !flags.empty() {
				return cli.Usagef("name ids, or choose by flags: use one of them")
			}
			filter, err := flags.filter(ids, time.Now())
			if err != nil {
				return err
			}
			sum := ExportJSON{To: to.To}
			err = withQuarantine(cmd, streams, func(q *opened) error {
				c, err := q.chooseAll(cmd.Context(), filter)
				if err != nil {
					return err
				}
				return to.Write(streams, func(w io.Writer) error {
					sum.Exported, err = q.export(cmd.Context(), w, c.seqs)
					return err
				})
			})
			if err != nil {
				return err
			}
			return to.Summarize(streams, sum, "exported "+refusedBodies(int64(sum.Exported)))
		},
	}
	flags.add(cmd, "until")
	to.Add(cmd)
	cli.AddNATSFlags(cmd)
	return cmd
}

// export writes the bodies at the sequences, one a line, and returns how many it wrote.
func (q *opened) export(ctx context.Context, w io.Writer, seqs []uint64) (exported int, _ error) {
	for _, seq := range seqs {
		item, err := q.Get(ctx, seq)
		if errors.Is(err, quarantine.ErrGone) {
			continue // removed meanwhile
		}
		if err == nil {
			err = writeLine(w, lineOf(item))
		}
		if err != nil {
			return exported, err
		}
		exported++
	}
	return exported, nil
}

// ExportJSON is the summary of an export. Its form is stable.
type ExportJSON struct {
	To       string `json:"to"`
	Exported int    `json:"exported"`
}

func lineOf(q quarantine.Body) webhook.Delivery {
	return webhook.Delivery{
		ID: q.ID, Received: q.Received, Source: q.Source, Path: q.Path, Test: q.TestRun,
		Reason: q.Reason, Violations: q.Violations, Body: q.Data,
	}
}

func writeLine(w io.Writer, d webhook.Delivery) error {
	line, err := d.Encode()
	if err == nil {
		_, err = w.Write(line)
	}
	return err
}
