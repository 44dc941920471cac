package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config"
)

// newRoot returns the command tree.
func newRoot(io stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "treble-bridge",
		Short: "Treble's webhooks in over HTTP, events out on NATS JetStream",
		Long: `treble-bridge receives the webhooks of Treble over HTTP, answers as soon as an
event is safe, and publishes each one, normalised, to NATS JetStream.

Without a NATS of your own it runs one inside its process, so that this is
all it takes to see it work:

  treble-bridge serve --dev

Configuration comes from a YAML file (--config), from environment variables
(TREBLE_BRIDGE_<KEY_WITH_UNDERSCORES>) and from flags; a later one wins.`,
		Example: `  treble-bridge serve --dev                  # try it: makes a token, logs for people
  treble-bridge send message.read            # post a sample event to it
  treble-bridge tail                         # watch the events
  treble-bridge config init > bridge.yaml    # a commented configuration file`,
	}
	prepareRoot(root, io)
	root.AddCommand(
		newServe(io, version()),
		newSend(io),
		newTail(io),
		newEvents(io),
		newConsumers(io),
		newReplay(io),
		newHealth(io),
		newDoctor(io),
		newJournal(io),
		newQuarantine(io),
		newSchema(io),
		newForget(io),
		newConfig(io),
		newVersion(io),
	)
	return root
}

// prepareRoot gives the root of a tree of commands what all of them have.
func prepareRoot(root *cobra.Command, streams stdio) {
	root.SilenceErrors, root.SilenceUsage = true, true // execute prints errors
	root.SetIn(streams.in)
	root.SetOut(streams.out)
	root.SetErr(streams.err)
	root.PersistentFlags().StringP("config", "c", "", "configuration file (YAML); $"+config.EnvFile)
	root.PersistentFlags().String("data-dir", "", "directory of the bridge's files (data_dir)")
}

// flagKeys are the flags that stand for a key of the configuration.
var flagKeys = map[string]string{
	"data-dir":  "data_dir",
	"addr":      "ingress.addr",
	"ops-addr":  "ops.addr",
	"nats-url":  "nats.url",
	"log-level": "log.level",
}

// loadConfig loads the configuration that a command line asks for. The error
// lists everything that could not be read; what could is returned beside it.
func loadConfig(cmd *cobra.Command) (*config.Loaded, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	flags := map[string]*pflag.Flag{}
	for name, key := range flagKeys {
		if f := cmd.Flags().Lookup(name); f != nil {
			flags[key] = f
		}
	}
	loaded, err := config.Load(config.Options{File: file, Flags: flags})
	if err != nil {
		return loaded, err
	}
	return loaded, useNATS(cmd, &loaded.Config)
}

// newGroup returns a command that only holds others.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	group.AddCommand(commands...)
	group.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, c := range commands {
			names = append(names, c.Name())
		}
		if len(args) == 0 {
			return usagef("%s: say which: %s", cmd.CommandPath(), strings.Join(names, ", "))
		}
		cmd.SuggestionsMinimumDistance = 2
		hint := "use one of " + strings.Join(names, ", ")
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("do you mean %q?", near[0])
		}
		return usagef("unknown command %q for %q: %s", args[0], cmd.CommandPath(), hint)
	}
	return group
}
