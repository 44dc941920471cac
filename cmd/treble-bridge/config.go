package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
)

func newConfig(streams cli.Streams) *cobra.Command {
	return cli.NewGroup("config", "Check, print or begin a configuration",
		newConfigCheck(streams), newConfigPrint(streams), newConfigInit(streams))
}

func newConfigCheck(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration without starting anything",
		Long: `Read the configuration as serve does, from file, environment and flags, and list
everything that is wrong with it. It reads the files with secrets and changes
nothing. The exit code is 1 if serve would not start with it.

--json prints one object: ok, problems and warnings (lists of text, each with the key
or the variable that was typed; never a secret).`,
		Example: "  treble-bridge config check --config bridge.yaml\n  treble-bridge config check --json | jq -r '.problems[]'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := cli.LoadConfig(cmd)
			err = errors.Join(err, loaded.Validate())
			v := configCheckJSON{OK: err == nil, Problems: texts(value.Unjoin(err)), Warnings: []string{}}
			if v.OK {
				v.Warnings = append(v.Warnings, loaded.Notices()...)
			}
			return errors.Join(err, v.print(streams, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// configCheckJSON is the result of a check. Its form is stable.
type configCheckJSON struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"` // of a configuration that is fine
}

func texts(errs []error) []string {
	all := []string{}
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

// print omits the problems, which the returned error has, unless they are asked for as JSON.
func (c configCheckJSON) print(streams cli.Streams, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(streams.Out, c)
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(streams.Err, "warning: "+w)
	}
	if !c.OK {
		return nil
	}
	_, err := fmt.Fprintln(streams.Out, "the configuration is fine")
	return err
}

func newConfigPrint(streams cli.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration and where each value comes from",
		Long: `Print every key with its effective value, as YAML; where it is not the default,
a comment says which layer it comes from. Secrets are printed as <secret>.

--json prints one array, in the order of the documentation: key (such as
publisher.stream), value (sizes and durations as one types them), origin (default,
file, env, flag).`,
		Example: "  treble-bridge config print --config bridge.yaml\n  treble-bridge config print --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := cli.LoadConfig(cmd)
			if err != nil {
				return err
			}
			if !asJSON {
				return loaded.Print(streams.Out)
			}
			return cli.WriteIndentedJSON(streams.Out, loaded.Settings())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a list of {key, value, origin}")
	return cmd
}

func newConfigInit(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented configuration file with every key",
		Long: `Write a configuration file in which every key stands with its default and what it
means, commented out, to FILE or to standard output. A file that exists is not
touched.`,
		Example: "  treble-bridge config init bridge.yaml\n  treble-bridge config init | less",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(streams.Out, config.Template())
				return err
			}
			return cli.WriteNewFile(args[0], func(w io.Writer) error {
				_, err := io.WriteString(w, config.Template())
				return err
			})
		},
	}
}
