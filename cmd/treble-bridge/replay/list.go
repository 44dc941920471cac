package replay

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

func newList(streams cli.Streams) *cobra.Command {
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
			cfg, client, err := cli.Connect(cmd, streams, "replay list")
			if err != nil {
				return err
			}
			defer client.Close()
			runs, err := replay.List(cmd.Context(), client, cli.StreamSpec(cfg))
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSONLines(streams.Out, runs, newRecordJSON)
			}
			return printList(streams, runs, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cli.AddNATSFlags(cmd)
	return cmd
}

// RecordJSON is a run as list prints it. Its form is stable.
type RecordJSON struct {
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

func newRecordJSON(l replay.Listed) RecordJSON {
	r := RecordJSON{l.Run, l.State, l.Who, l.Began, l.Updated, nil, l.Filter, l.Target, l.Total, l.Replayed, l.Skipped, l.Problem}
	if !l.Ended.IsZero() {
		r.Ended = &l.Ended
	}
	return r
}

// silent is the time without a checkpoint after which a run no longer counts as running.
const silent = 10 * time.Second

func printList(streams cli.Streams, runs []replay.Listed, now time.Time) error {
	if len(runs) == 0 {
		_, err := fmt.Fprintln(streams.Err, "there was no replay yet")
		return err
	}
	t := terminal.NewTable(streams.Out, "RUN", "STATE", "BEGAN", "WHO", "REPLAYED", "TARGET", "FILTER", "PROBLEM")
	for _, l := range runs {
		state := l.State
		if ago := now.Sub(l.Updated); state == audit.Running && ago > silent {
			state = "silent for " + ago.Round(time.Second).String()
		}
		t.Row(l.Run, state, l.Began.Local().Format(time.DateTime), l.Who, fmt.Sprintf("%d of %d", l.Replayed, l.Total), l.Target, l.Filter, l.Problem)
	}
	return t.Flush()
}
