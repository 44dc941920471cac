// Package journal has the commands that account for a journal and export it, and those for what
// was set aside.
package journal

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/inspect"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// New returns the command journal with its subcommands.
func New(streams cli.Streams) *cobra.Command {
	return cli.NewGroup("journal", "Look at the journal of accepted events, and at what was set aside",
		newStatus(streams), newVerify(streams), newExport(streams),
		cli.NewGroup("set-aside", "See, publish again or export what NATS did not take",
			newSetAsideList(streams), newSetAsideRetry(streams), newSetAsideExport(streams)))
}

const journalJSONHelp = `
--json prints one object: data_dir, running, pid, sound; size (bytes, max_bytes,
segments, first, last, torn_bytes, copies); accepted, stored, duplicate,
set_aside, damaged, pending, unaccounted and healed in events; pending_entries,
retained_entries; oldest_pending (RFC 3339, null if none); read (entries, marks,
checkpoints); damage (segment, offset, length, first_lost, last_lost,
not_published, moved_to); problems; set_aside_files (files, bytes, damaged); refused,
the same of the journal of refused bodies, of which stored are in the quarantine
(accepted, stored, duplicate, set_aside, damaged, pending, unaccounted, damage,
problems; null if there is none).`

func newStatus(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is pending, and account for every accepted event",
		Long: `Read the journal in data_dir and show how many events wait to be published and
since when, what became of the others, how large the journal is, and what is
damaged or set aside. Nothing is changed. It works while the bridge runs, while
it does not, and on a copy of the directory of another host.

Every accepted event is stored, a duplicate, set aside, lost to damage on disk,
or pending; unaccounted is what is none of these, and must be 0. The events are
counted one by one in the journal's own records. Those of a running bridge reach
the disk within about a second, and so long the figures may lag. The bodies that the
bridge refused have a journal of their own, on their way to the quarantine, and are
accounted for in the same way.

The exit code is 0 if the journal could be read, whatever it says; for a check
see "treble-bridge journal verify".
` + journalJSONHelp,
		Example: `  treble-bridge journal status
  treble-bridge journal status --json | jq .pending
  treble-bridge journal status --data-dir /mnt/copy-of-a-dead-host`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := inspectJournal(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(streams.Out, v)
			}
			return v.printStatus(streams.Out)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func newVerify(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every record of the journals and report damage",
		Long: `Read every record of both journals in data_dir (of accepted events and of refused
bodies) and every file in set-aside, check every checksum, sequence and mark, and
count every event. Nothing is changed. It works while the bridge runs, while it does
not, and on a copy of the directory.

Damage is shown with its position and the entries that were in it. What a crash
leaves at the end of the journal is no damage. A bridge goes on with a damaged
journal: it delivers all the rest, and copies the damaged bytes to the folder
damaged below it. The damage is reported until its segment is removed,
when everything in it is published and was kept for journal.retain.

The exit code is 1 if anything is damaged, or an event is not accounted for.
` + journalJSONHelp,
		Example: `  treble-bridge journal verify
  treble-bridge journal verify --json | jq '.damage[]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := inspectJournal(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.WriteJSON(streams.Out, v)
			} else {
				err = v.printVerify(streams.Out)
			}
			return errors.Join(err, v.failure())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// loadConfig loads the configuration, and the keys by which the data directory is encrypted.
func loadConfig(cmd *cobra.Command) (*config.Loaded, *atrest.Keys, error) {
	loaded, err := cli.LoadConfig(cmd)
	if err != nil {
		return nil, nil, err
	}
	keys, err := loaded.Encryption.Load()
	return loaded, keys, err
}

// openSetAside opens the set-aside that the command line names.
func openSetAside(cmd *cobra.Command) (setaside.Dir, error) {
	loaded, keys, err := loadConfig(cmd)
	if err != nil {
		return setaside.Dir{}, err
	}
	return setaside.OpenDir(loaded.DataDir, keys), nil
}

// inspectJournal reads the journal and the set-aside that the command line names.
func inspectJournal(cmd *cobra.Command) (*StatusJSON, error) {
	loaded, keys, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	state, err := inspect.Journals(cmd.Context(), loaded.DataDir, keys)
	if err != nil {
		return nil, err
	}
	files, err := countSetAside(setaside.OpenDir(loaded.DataDir, keys))
	if err != nil {
		return nil, err
	}
	return newStatusJSON(loaded.DataDir, int64(loaded.Journal.MaxBytes), state, files), nil
}

// countSetAside reads every file, so that damage is found.
func countSetAside(s setaside.Dir) (fileCountJSON, error) {
	var c fileCountJSON
	for m, err := range s.All() {
		if err != nil {
			return c, err
		}
		c.Files++
		c.Bytes += m.Bytes
		if m.Damaged != nil {
			c.Damaged++
		}
	}
	return c, nil
}
