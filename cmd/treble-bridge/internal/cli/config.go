package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config"
)

// flagKeys are the flags that stand for a key of the configuration.
var flagKeys = map[string]string{
	"data-dir":  "data_dir",
	"addr":      "ingress.addr",
	"ops-addr":  "ops.addr",
	"nats-url":  "nats.url",
	"log-level": "log.level",
}

// LoadConfig loads the configuration that a command line asks for. The error
// lists all that could not be read; the rest is returned beside it.
func LoadConfig(cmd *cobra.Command) (*config.Loaded, error) {
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
