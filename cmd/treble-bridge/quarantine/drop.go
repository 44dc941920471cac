package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/schema"
)

// dropCommand is the command that deletes refused bodies.
type dropCommand struct {
	streams cli.Streams
	flags   choiceFlags
	yes     bool
	json    bool
}

func newDrop(streams cli.Streams) *cobra.Command {
	d := &dropCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "drop [ID…]",
		Short: "Delete refused bodies for good",
		Long: `Delete refused bodies from the quarantine and have the server overwrite their bytes.
This cannot be undone: "treble-bridge quarantine export" keeps a copy. It asks
before it begins. A record of each run, with counts and without personal data, is
kept in the bucket <publisher.stream>_AUDIT. The bridge keeps what it received in
the last minutes in its own journal too: those copies go by themselves, within
journal.retain and a minute in which it runs and NATS is there.

The exit code is 1 if anything that was chosen is left.

--json prints one object: run (its name in the audit; empty if nothing was chosen),
dropped, gone (removed by somebody else meanwhile), left, reasons (how many were chosen
by reason).`,
		Example: `  treble-bridge quarantine drop --reason not-json --before 7d
  treble-bridge quarantine drop ALKJ3H1BQPTL2MD6Q6VX5Z
  treble-bridge quarantine drop --all --yes`,
		RunE: d.run,
	}
	d.flags.add(cmd, "before")
	f := cmd.Flags()
	f.BoolVar(&d.flags.all, "all", false, "everything in the quarantine")
	f.BoolVarP(&d.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&d.json, "json", false, "print the summary as JSON")
	cli.AddNATSFlags(cmd)
	return cmd
}

func (d *dropCommand) run(cmd *cobra.Command, ids []string) error {
	filter, err := d.flags.choice(ids, time.Now())
	if err != nil {
		return err
	}
	return withQuarantine(cmd, d.streams, func(q *opened) error {
		c, err := q.chooseAll(cmd.Context(), filter) // a typing mistake is no reason to delete the others
		if err != nil {
			return err
		}
		if len(c.seqs) == 0 {
			if d.json {
				return d.print(DropJSON{Reasons: c.reasons})
			}
			_, err := fmt.Fprintln(d.streams.Err, "nothing in the quarantine is chosen")
			return err
		}
		if !d.yes {
			if err := cli.Confirm(d.streams, fmt.Sprintf("Delete %s for good?", c)); err != nil {
				return err
			}
		}
		q.noteRemoved(cmd.Context(), c.seqs...)
		return d.drop(cmd.Context(), q, c)
	})
}

// DropJSON is the summary of a run. Its form is stable.
type DropJSON struct {
	Run     string                `json:"run"`
	Dropped int64                 `json:"dropped"`
	Gone    int64                 `json:"gone"`
	Left    int64                 `json:"left"`
	Reasons map[schema.Reason]int `json:"reasons"`
}

// drop deletes one body after the other. Without a record of it nothing is
// deleted.
func (d *dropCommand) drop(ctx context.Context, q *opened, c chosen) error {
	bucket, err := audit.Open(ctx, q.client, cli.StreamSpec(q.config))
	if err != nil {
		return err
	}
	const action = "quarantine-drop"
	sum := DropJSON{Run: audit.NewRun(action), Left: int64(len(c.seqs)), Reasons: c.reasons}
	record := audit.Record{Run: sum.Run, Action: action, Who: cli.UserAtHost(), Counts: sum.counts()}
	if record.Detail, err = json.Marshal(d.chosenBy()); err != nil {
		return err
	}
	err = bucket.Do(ctx, &record, func(r *audit.Record) error {
		err := d.each(ctx, q, c, &sum)
		r.Counts = sum.counts()
		left := english.Plural(int(sum.Left), "body is", "bodies are")
		switch {
		case ctx.Err() != nil:
			err = fmt.Errorf("interrupted: %s left", left)
		case err != nil:
			err = fmt.Errorf("%s left: %w", left, err)
		}
		return err
	})
	return errors.Join(d.print(sum), err)
}

func (d *dropCommand) each(ctx context.Context, q *opened, c chosen, sum *DropJSON) error {
	bar := terminal.NewProgress(d.streams.Err, len(c.seqs))
	defer bar.Done()
	for _, seq := range c.seqs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch err := q.Drop(ctx, seq); {
		case errors.Is(err, quarantine.ErrGone):
			sum.Gone++
		case err != nil:
			return err
		default:
			sum.Dropped++
		}
		sum.Left--
		bar.Step(true)
	}
	return nil
}

func (s DropJSON) counts() map[string]int64 {
	counts := map[string]int64{"dropped": s.Dropped, "gone": s.Gone, "left": s.Left}
	for r, n := range s.Reasons {
		counts["chosen-"+string(r)] = int64(n)
	}
	return counts
}

// chosenBy returns the choice for the audit record. A path may hold a number, so of it
// only that it was given is told.
func (d *dropCommand) chosenBy() map[string]any {
	by := map[string]any{}
	for name, value := range map[string]string{"source": d.flags.source, "since": d.flags.period.Since, "before": d.flags.period.Until} {
		if value != "" {
			by[name] = value
		}
	}
	if len(d.flags.reasons) > 0 {
		by["reasons"] = d.flags.reasons
	}
	if d.flags.path != "" {
		by["path"] = true
	}
	if d.flags.all {
		by["all"] = true
	}
	if d.flags.all || !d.flags.empty() {
		return by
	}
	return map[string]any{"ids": true}
}

func (d *dropCommand) print(s DropJSON) error {
	if d.json {
		return cli.WriteJSON(d.streams.Out, s)
	}
	gone := ""
	if s.Gone > 0 {
		gone = fmt.Sprintf("; %d were gone already", s.Gone)
	}
	_, err := fmt.Fprintf(d.streams.Out, "deleted %s%s, run %s\n", refusedBodies(s.Dropped), gone, s.Run)
	return err
}
