// Package send implements the command that posts samples, files and exported deliveries to a
// bridge.
package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/schema"
)

// command is the command that posts events to a bridge.
type command struct {
	streams cli.Streams
	url     string
	tokens  webhook.TokenFlags
	token   string // what they name
	headers []string
	file    string
	load    load
	same    bool
	yes     bool
	list    bool
	json    bool
	ndjson  bool
}

// New returns the command send.
func New(streams cli.Streams) *cobra.Command {
	s := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "send [SAMPLE | FILE | -]",
		Short: "Post a sample event, a file, or exported deliveries to a bridge",
		Long: `Post an event as Treble does: one of the built-in samples by its name, a file, or
standard input (-). All of a run carry the header Treble-Test, so that the
events are marked as tests.

A sample is made fresh each time: new ids, and times up to now, so that it is
not taken for a repeated delivery. A file or standard input is sent as it is,
unless --count is above 1. --same sends anything unchanged.

A file whose name ends in .ndjson, or anything with --ndjson, holds deliveries,
one a line, as "quarantine export" writes them. Each is
posted to the path of its line, with the credentials of its source, and with the
time at which it was first received; it is no test, unless its line says so. A
file is checked to its end before anything is sent. The order is kept with
--concurrency 1. It stops when the bridge does not take events, and says from
which line on to go on; a delivery that the bridge refuses is named, and stays
refused. --url is then the bridge, without a path: its sources must have the
names that are in the lines, or the events get other ids.

It asks before it sends to an address that is not this host. The exit code is
1 if any request was not answered with 200.

--json prints one object: run, url, sent, ok, statuses (how many by HTTP status,
or by what kept it from being one), seconds, rate, latency_ms (p50, p95, p99, max).`,
		Example: `  treble-bridge send message.read
  treble-bridge send --list
  treble-bridge send message.responded --count 10000 --concurrency 64
  treble-bridge send --count 600 --rate 10 conversation.closed
  treble-bridge send body.json --url https://bridge.example.com/webhook --token-file token
  treble-bridge send --file refused.ndjson
  echo '{"event_type":"new"}' | treble-bridge send - --header 'X-Api-Key: secret'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(webhook.SampleNames(), cobra.ShellCompDirectiveDefault),
		RunE:              s.run,
	}
	f := cmd.Flags()
	f.StringVar(&s.url, "url", "", "where to post (default: the running bridge, else http://127.0.0.1:8080/webhook)")
	s.tokens.Add(f, "the configured one, or that of serve --dev")
	f.StringArrayVarP(&s.headers, "header", "H", nil, "further header, as 'Name: value'; may be repeated")
	f.StringVar(&s.file, "file", "", "send this file, also if its name is that of a sample")
	f.IntVarP(&s.load.count, "count", "n", 1, "how many to send")
	f.Float64Var(&s.load.rate, "rate", 0, "how many a second; 0: as fast as answers come")
	f.IntVar(&s.load.concurrency, "concurrency", 1, "requests at the same time")
	cli.DurationVar(f, &s.load.timeout, "timeout", 10*time.Second, "how long to wait for an answer; Treble waits 5 s or 10 s")
	f.BoolVar(&s.ndjson, "ndjson", false, "the input holds deliveries, one a line, whatever its name")
	f.BoolVar(&s.same, "same", false, "send the same bytes each time")
	f.BoolVarP(&s.yes, "yes", "y", false, "do not ask before sending to another host")
	f.BoolVar(&s.list, "list", false, "list the samples")
	f.BoolVar(&s.json, "json", false, "print the summary as JSON")
	return cmd
}

func (s *command) run(cmd *cobra.Command, args []string) error {
	if s.list {
		_, err := fmt.Fprintln(s.streams.Out, strings.Join(webhook.SampleNames(), "\n"))
		return err
	}
	if err := s.load.check(); err != nil {
		return err
	}
	var err error
	if s.token, err = s.tokens.Read(s.streams, len(args) > 0 && args[0] == "-" || s.file == "-"); err != nil {
		return err
	}
	header, err := webhook.ParseHeaders(s.headers)
	if err != nil {
		return err
	}
	if name, ok := s.linesFile(args); ok {
		return s.sendLines(cmd, name, header)
	}
	body, builtIn, err := s.body(args)
	if err != nil {
		return err
	}
	loaded, err := cli.LoadConfig(cmd)
	if err != nil {
		return err
	}
	run := audit.NewRun("send")
	bodies := func() []byte { return body }
	if !s.same && (builtIn || s.load.count > 1) {
		bodies = func() []byte { return webhook.Freshen(body, time.Now()) }
	}
	target, err := s.target(&loaded.Config)
	if err != nil {
		return err
	}
	if err := s.confirm(target, args); err != nil {
		return err
	}
	signer, err := s.complete(header, &loaded.Config, run)
	if err != nil {
		return err
	}
	client := webhook.NewClient(s.load.timeout, s.load.concurrency)
	if s.url == "" {
		if err := webhook.TrustOwn(client, &loaded.Config); err != nil {
			return err
		}
	}
	return s.report(cmd.Context(), webhook.Poster{URL: target.String(), Header: header, Signer: signer, Client: client}, bodies, run)
}

// body returns the body to send, and whether it is a built-in sample.
func (s *command) body(args []string) (body []byte, builtIn bool, err error) {
	switch {
	case len(args) == 0 && s.file == "":
		return nil, false, cli.Usagef("say what to send: a sample (one of %s), a file, or - for standard input", strings.Join(webhook.SampleNames(), ", "))
	case len(args) > 0 && s.file != "":
		return nil, false, cli.Usagef("--file and %q: use one of them", args[0])
	case s.file != "":
		body, err = os.ReadFile(s.file)
		return body, false, err
	case args[0] == "-":
		body, err = io.ReadAll(s.streams.In)
		return body, false, err
	}
	body, err = webhook.Sample(args[0])
	if err == nil {
		return body, true, nil
	}
	if body, fileErr := os.ReadFile(args[0]); fileErr == nil {
		return body, false, nil
	} else if !errors.Is(fileErr, os.ErrNotExist) {
		return nil, false, fileErr
	}
	return nil, false, cli.Usagef("%w, or a file that exists", err)
}

// target is the URL to post to.
func (s *command) target(c *config.Config) (*url.URL, error) {
	if s.url == "" {
		at, err := cli.ClientAddrs(c)
		if err != nil {
			return nil, err
		}
		u := webhook.OwnURL(c, at.Ingress)
		u.Path = webhook.PathOf(c)
		return u, nil
	}
	return webhook.ParseURL("--url", s.url)
}

// confirm asks before anything goes to another host.
func (s *command) confirm(target *url.URL, args []string) error {
	if s.yes || value.IsLoopback(target.Hostname()) {
		return nil
	}
	if len(args) > 0 && args[0] == "-" {
		return cli.Usagef("%s is another host, and standard input is what is sent: confirm with --yes", target.Host)
	}
	return cli.Confirm(s.streams, fmt.Sprintf("Post %d test events to %s?", s.load.count, value.WithoutUserinfo(target.String())))
}

// complete adds the headers of every request, unless the user set them. The signer adds the
// credentials of the configuration; nil if there are none to add.
func (s *command) complete(h http.Header, c *config.Config, run string) (*auth.Signer, error) {
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if h.Get(schema.HeaderTest) == "" {
		h.Set(schema.HeaderTest, run)
	}
	switch {
	case s.token != "":
		h.Set("Authorization", "Bearer "+s.token)
	case h.Get("Authorization") == "" && s.url == "":
		// The configured secrets are for our own bridge: with --url they
		// could reach another host.
		return webhook.SignerOf(c.EffectiveSources()[0].Auth, c.DataDir)
	}
	return nil, nil
}

// report sends, shows the progress on a terminal, and prints the summary.
func (s *command) report(ctx context.Context, p webhook.Poster, bodies func() []byte, run string) error {
	bar := terminal.NewProgress(s.streams.Err, s.load.count)
	sum := s.load.run(ctx, func(ctx context.Context) webhook.Result { return p.Post(ctx, bodies()) }, func(r webhook.Result) { bar.Step(r.OK) })
	bar.Done()
	sum.Run, sum.URL = run, value.WithoutUserinfo(p.URL)
	if err := sum.print(s.streams.Out, s.json); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil && sum.Sent < s.load.count:
		return fmt.Errorf("interrupted after %d of %d", sum.Sent, s.load.count)
	case sum.OK < sum.Sent:
		return fmt.Errorf("%d of %d were not answered with 200%s", sum.Sent-sum.OK, sum.Sent, sum.advice())
	}
	return nil
}
