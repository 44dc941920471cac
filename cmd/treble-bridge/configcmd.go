package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
)

func newConfig(io stdio) *cobra.Command {
	return newGroup("config", "Check, print or begin a configuration",
		newConfigCheck(io), newConfigPrint(io), newConfigInit(io))
}

func newConfigCheck(io stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration without starting anything",
		Long: `Read the configuration as serve does, from file, environment and flags, and list
everything that is wrong with it. It reads the files with secrets and changes
nothing.`,
		Example: "  treble-bridge config check --config bridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err := errors.Join(err, loaded.Validate()); err != nil {
				return err
			}
			for _, w := range append(loaded.Warnings, loaded.Advice()...) {
				fmt.Fprintln(io.err, "warning: "+w)
			}
			_, err = fmt.Fprintln(io.out, "the configuration is fine")
			return err
		},
	}
}

func newConfigPrint(io stdio) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration and where each value comes from",
		Long: `Print every key with its effective value, as YAML; where it is not the default,
a comment says which layer it comes from. Secrets are printed as <secret>.`,
		Example: "  treble-bridge config print --config bridge.yaml\n  treble-bridge config print --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if !asJSON {
				return loaded.Print(io.out)
			}
			enc := json.NewEncoder(io.out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return enc.Encode(loaded.Settings())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a list of {key, value, origin}")
	return cmd
}

func newConfigInit(io stdio) *cobra.Command {
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
				_, err := fmt.Fprint(io.out, config.Template())
				return err
			}
			// Secrets may come into it, so it is for its owner alone.
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists: name another file, or remove it first", args[0])
			} else if err != nil {
				return err
			}
			_, err = f.WriteString(config.Template())
			return errors.Join(err, f.Close())
		},
	}
}
