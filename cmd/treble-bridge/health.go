package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/ingress"
)

// healthTimeout bounds the question; a container's health check waits longer.
const healthTimeout = 4 * time.Second

func newHealth(streams stdio) *cobra.Command {
	var url string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running bridge whether it takes events",
		Long: `Ask /readyz of a running bridge. The exit code is 0 if it is ready or degraded,
which means that it takes events, and 1 if it is not or does not answer.

--json prints one object: status (ready, degraded, unready), reasons (a list of text;
absent if there is none). Without an answer it prints nothing.`,
		Example: `  treble-bridge health
  treble-bridge health --url http://bridge:9464/readyz
  treble-bridge health --json | jq -r '.reasons[]?'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				loaded, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				at, err := clientAddrs(&loaded.Config)
				if err != nil {
					return err
				}
				url = "http://" + at.Ops + "/readyz"
			}
			answer, err := askHealth(cmd.Context(), url)
			if err != nil {
				return err
			}
			return printHealth(streams.out, answer, asJSON)
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "address of /readyz (default: of the running bridge, else ops.addr)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return cmd
}

func askHealth(ctx context.Context, url string) (ingress.Readiness, error) {
	var answer ingress.Readiness
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer, usagef("--url: %w", err)
	}
	// A proxy of the environment has no business between us and the bridge.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer, fmt.Errorf("is the bridge running? %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status == "" {
		return answer, fmt.Errorf("%s answered %d and no readiness: is it the ops listener's /readyz?", url, resp.StatusCode)
	}
	return answer, nil
}

// printHealth prints the answer; one that is not good is an error too.
func printHealth(w io.Writer, r ingress.Readiness, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w, printable(r.Status))
		for _, reason := range r.Reasons {
			fmt.Fprintln(w, "  "+printable(reason))
		}
	}
	if r.Status != ingress.Ready && r.Status != ingress.Degraded {
		return fmt.Errorf("the bridge is %s: %s", r.Status, strings.Join(r.Reasons, "; "))
	}
	return nil
}
