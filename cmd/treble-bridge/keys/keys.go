// Package keys has the commands that make and rotate the keys of the encryption at rest.
package keys

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
)

// New returns the group of commands.
func New(streams cli.Streams) *cobra.Command {
	return cli.NewGroup("keys", "Make and rotate the keys of the encryption at rest",
		newCreate(streams), newRotate(streams), newList(streams), newDrop(streams))
}

func newCreate(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "create FILE",
		Short: "Make a file with a key",
		Long: `Make a file with a new key, for encryption.key_file. The file must not be there.

The journal and the set-aside are encrypted with it from the next start of the
bridge on; what they hold already stays as it is, and is read. Keep a copy of the
file apart from the data directory: without it, what is encrypted is lost.`,
		Example: `  treble-bridge keys create /etc/treble-bridge/keys.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := atrest.Create(args[0]); err != nil {
				return err
			}
			return printPrimary(streams, args[0], "made with key %d: name it in encryption.key_file, and keep a copy elsewhere")
		},
	}
}

func newRotate(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate FILE",
		Short: "Add a key, with which everything new is encrypted",
		Long: `Add a key to the file. From the next start of the bridge on, everything new is
encrypted with it. The keys before it stay in the file, so that what they encrypted
is still read. When nothing is left that needs an old key, keys drop removes it: published
events leave the journal within journal.retain and a minute, set-aside messages when you
retry or remove them.`,
		Example: `  treble-bridge keys rotate /etc/treble-bridge/keys.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := atrest.Rotate(args[0]); err != nil {
				return err
			}
			return printPrimary(streams, args[0], "key %d encrypts from the next start of the bridge on; the others still read")
		},
	}
}

func printPrimary(streams cli.Streams, file, format string) error {
	keys, err := atrest.List(file)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Primary {
			_, err = fmt.Fprintf(streams.Out, "%s: "+format+"\n", file, k.ID)
		}
	}
	return err
}

// KeyJSON is a key as keys list prints it.
type KeyJSON struct {
	ID      uint32 `json:"id"`
	Primary bool   `json:"primary"` // it encrypts
}

func newList(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list FILE",
		Short: "List the keys of a file by their ids",
		Long: `List the keys of a file, the oldest first, by their ids. The keys themselves are not
shown.

--json prints one object per key: id, primary (the one that encrypts).`,
		Example: `  treble-bridge keys list /etc/treble-bridge/keys.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := atrest.List(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSONLines(streams.Out, keys, func(k atrest.KeyInfo) KeyJSON { return KeyJSON(k) })
			}
			for _, k := range keys {
				use := "only reads"
				if k.Primary {
					use = "encrypts"
				}
				if _, err := fmt.Fprintf(streams.Out, "%d  %s\n", k.ID, use); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newDrop(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "drop FILE KEY-ID",
		Short: "Remove a key that is not needed any more",
		Long: `Remove a key from the file. The key that encrypts cannot be removed: rotate first.

A bridge does not start on a journal that needs a key that is not there, and says which;
so keep a copy of the file until it has started.`,
		Example: `  treble-bridge keys drop /etc/treble-bridge/keys.json 2815604923`,
		Args:    cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[1], 10, 32)
			if err != nil {
				return cli.Usagef("%q is no key id: use one that treble-bridge keys list shows", args[1])
			}
			if err := atrest.Drop(args[0], uint32(id)); err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "%s: key %d is gone\n", args[0], id)
			return err
		},
	}
}
