package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
)

func newHealth(streams cli.Streams) *cobra.Command {
	var url string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running bridge whether it takes events",
		Long: `Ask /readyz of a running bridge. The exit code is 0 if it is ready or degraded,
which means that it takes events, and 1 if it is not or does not answer.

--json prints one object: status (ready, degraded, unready), reasons (a list of text;
absent if there is none), details (of each reason: text, fix, which is the line that
mends it or the command that tells more, and fix_in, where to put it: shell, environment
or nats-server.conf). Without an answer it prints nothing.`,
		Example: `  treble-bridge health
  treble-bridge health --url http://bridge:9464/readyz
  treble-bridge health --json | jq -r '.reasons[]?'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				loaded, err := cli.LoadConfig(cmd)
				if err != nil {
					return err
				}
				at, err := cli.ClientAddrs(&loaded.Config)
				if err != nil {
					return err
				}
				url = "http://" + at.Ops + "/readyz"
			}
			answer, err := cli.AskReadiness(cmd.Context(), url)
			if err != nil {
				return err
			}
			return printHealth(streams.Out, answer, asJSON)
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "address of /readyz (default: of the running bridge, else ops.addr)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return cmd
}

// printHealth prints the answer; one that is not good is an error too.
func printHealth(w io.Writer, r ops.Readiness, asJSON bool) error {
	if asJSON {
		if err := cli.WriteJSON(w, r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w, terminal.Printable(r.Status))
		for _, reason := range r.Reasons {
			fmt.Fprintln(w, "  "+terminal.Printable(reason))
		}
	}
	if r.Status != ops.Ready && r.Status != ops.Degraded {
		return fmt.Errorf("the bridge is %s: %s", r.Status, strings.Join(r.Reasons, "; "))
	}
	return nil
}
