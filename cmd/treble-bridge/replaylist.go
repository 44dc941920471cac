package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

func newReplayList(io stdio) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the replays there were",
		Long: `Show the record that each replay left in the bucket <publisher.stream>_AUDIT of NATS:
who replayed what, when and to where, and how far it came. The oldest comes first.
A run that says nothing any more was killed, or lost NATS: go on with
"treble-bridge replay --resume RUN".

--json prints one object a line: run, state (running, done, stopped, failed), who,
began, updated, ended (RFC 3339, null if it did not), filter and target in words,
events (chosen), replayed, skipped (messages that are no events of the bridge), problem.
Of a phone number, a session or a conversation it says only that there was one.`,
		Example: `  treble-bridge replay list
  treble-bridge replay list --json | jq 'select(.state != "done")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			client, err := openClient(cmd, &loaded.Config, io, "replay list")
			if err != nil {
				return err
			}
			defer client.Close()
			runs, err := replay.List(cmd.Context(), client, streamSpec(&loaded.Config))
			if err != nil {
				return err
			}
			if asJSON {
				return printReplaysJSON(io.out, runs)
			}
			return printReplays(io, runs, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	addNATSFlag(cmd)
	return cmd
}

// replayRecord is a run as list prints it. Its JSON form is stable.
type replayRecord struct {
	Run      string     `json:"run"`
	State    string     `json:"state"`
	Who      string     `json:"who"`
	Began    time.Time  `json:"began"`
	Updated  time.Time  `json:"updated"`
	Ended    *time.Time `json:"ended"`
	Filter   string     `json:"filter"`
	Target   string     `json:"target"`
	Events   int64      `json:"events"`
	Replayed int64      `json:"replayed"`
	Skipped  int64      `json:"skipped"`
	Problem  string     `json:"problem,omitempty"`
}

func printReplaysJSON(w io.Writer, runs []replay.Listed) error {
	enc := json.NewEncoder(w)
	for _, l := range runs {
		r := replayRecord{l.Run, l.State, l.Who, l.Began, l.Updated, nil, l.Filter, l.Target, l.Total, l.Replayed, l.Skipped, l.Problem}
		if !l.Ended.IsZero() {
			r.Ended = &l.Ended
		}
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// silent is after how long without a word a run no longer counts as running.
const silent = 10 * time.Second

func printReplays(streams stdio, runs []replay.Listed, now time.Time) error {
	if len(runs) == 0 {
		_, err := fmt.Fprintln(streams.err, "there was no replay yet")
		return err
	}
	w := tabwriter.NewWriter(streams.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATE\tBEGAN\tWHO\tREPLAYED\tTARGET\tFILTER\tPROBLEM")
	for _, l := range runs {
		state := l.State
		if ago := now.Sub(l.Updated); state == publisher.AuditRunning && ago > silent {
			state = "silent for " + ago.Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d of %d\t%s\t%s\t%s\n", printable(l.Run), printable(state), l.Began.Local().Format(time.DateTime),
			printable(l.Who), l.Replayed, l.Total, printable(l.Target), printable(l.Filter), printable(l.Problem))
	}
	return w.Flush()
}
