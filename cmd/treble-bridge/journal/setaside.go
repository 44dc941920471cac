package journal

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

func newSetAsideList(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what was set aside, and why",
		Long: `List the messages in data_dir/set-aside, the oldest first: when and why each was
set aside, its id, subject, kind and size. No personal data is shown. A file that
is damaged is listed as damaged.

The reasons: too-large (for NATS), with-too-large (refused with another event of
its delivery), refused (an accepted event that NATS will never take), uncaptured
(an accepted event whose subject the stream has not taken for
publisher.refused_after), quarantine-too-large (a refused body that the quarantine
did not take), quarantine-overflow (the same, of an earlier version). Events that
are uncaptured come back with "set-aside retry --all" once the subjects of the
stream are wide enough. What is not needed any more may be removed with rm; a
running bridge counts the files again every 30 seconds.

--json prints one object a line: file, time, reason, id, subject, kind, size (as
NATS counts it), bytes (of the file), damaged (why it cannot be read).`,
		Example: `  treble-bridge journal set-aside list
  treble-bridge journal set-aside list --json | jq -r 'select(.reason == "refused") | .file'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := openSetAside(cmd)
			if err != nil {
				return err
			}
			items, err := listSetAside(files)
			if err != nil {
				return err
			}
			if !asJSON {
				return printSetAside(streams, items)
			}
			for _, item := range items {
				if err := cli.WriteJSON(streams.Out, item); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// SetAsideJSON is a message as it is listed. Its form is stable.
type SetAsideJSON struct {
	File    string     `json:"file"`
	Time    *time.Time `json:"time,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	ID      string     `json:"id,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Kind    string     `json:"kind,omitempty"`
	Size    int64      `json:"size,omitempty"`
	Bytes   int64      `json:"bytes"`
	Damaged string     `json:"damaged,omitempty"`
}

func listSetAside(s setaside.Dir) ([]SetAsideJSON, error) {
	var items []SetAsideJSON
	for m, err := range s.All() {
		if err != nil {
			return nil, err
		}
		item := SetAsideJSON{File: m.File, Bytes: m.Bytes}
		if m.Damaged != nil {
			item.Damaged = m.Damaged.Error()
		} else {
			item.Time, item.Reason, item.ID, item.Subject, item.Kind, item.Size = &m.Time, m.Reason, m.ID, m.Subject, m.Kind, m.Size
		}
		items = append(items, item)
	}
	return items, nil
}

func printSetAside(streams cli.Streams, items []SetAsideJSON) error {
	if len(items) == 0 {
		_, err := fmt.Fprintln(streams.Out, "the set-aside is empty")
		return err
	}
	t := terminal.NewTable(streams.Out, "TIME", "REASON", "KIND", "SUBJECT", "SIZE", "ID", "FILE")
	for _, i := range items {
		if i.Damaged != "" {
			t.Row("-", "damaged", "-", "-", i.Bytes, "-", i.File, i.Damaged)
			continue
		}
		t.Row(i.Time.UTC().Format(time.RFC3339), i.Reason, cmp.Or(i.Kind, "-"), i.Subject, i.Size, i.ID, i.File)
	}
	return t.Flush()
}
