// Package doctor implements the command that examines a bridge, its files and its NATS, and prints
// the line that repairs each problem.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// command is the command that examines a bridge and its NATS.
type command struct {
	streams cli.Streams
	noProbe bool
	json    bool
	timeout time.Duration
	behind  diagnose.LagLimit

	config   *config.Loaded
	devToken bool // no secret is configured, and serve --dev made one
	at       cli.Addrs
	running  bool // a bridge answers
	starting bool // one holds data_dir, and does not listen yet
	pid      int  // of it, if it runs on this host and data_dir; else 0
	checks   []diagnose.Check
}

// New returns the command doctor.
func New(streams cli.Streams) *cobra.Command {
	d := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the bridge and its NATS, and say how to mend what is wrong",
		Long: `Connect with the given configuration, as the bridge does, and print a checklist.
Each line is pass, warn, fail, or skip where something cannot be asked; below a
warn or fail stands the line that mends it, to be pasted into a shell, into the
environment of the bridge, or into nats-server.conf.

  config         the configuration is valid, the secrets are long enough
  certificate    how long the certificates of the listeners are valid
  files          data_dir and the files with secrets are for the bridge alone
  disk           there is room for the journal and the embedded store
  ports          a running bridge answers; else nobody else has its ports
  nats           NATS can be reached, and takes the credentials
  jetstream      it is enabled for the account
  account        the account has room: streams, storage and consumers, those of the commands too
  stream         each stream is as the promise needs it; as in /readyz
  replicas       copies of the stream against servers of the cluster
  permissions    the user may publish, and what it publishes reaches the streams
  payload        the server takes what ingress.max_body lets in
  clock          the server's clock and this one agree
  sync-interval  how long JetStream holds what it acknowledged, where it can be known
  consumers      durable consumers that are far behind
  bridge         /readyz of the running bridge, with its reasons
  credentials    secrets that are over, or will be within 7 days, or that nobody used for 30
                 days, as far as the running bridge knows
  probe          for each source an event of the kind bridge.probe, posted through the
                 running bridge and read from the stream, with the time of each stage

The probe's message is deleted securely afterwards, and consumers ignore its kind.
Nothing else is changed. Each check ends after --timeout. The exit code is 1 if any
check fails; a warn is no failure. Without a running bridge the probe fails; with
--no-probe that is a warn.

--json prints one object: checks, a list of {name, of, status, detail, fix, fix_in,
stages}, where of says of which stream, consumer, file, key or source it is, fix_in
is shell, environment or nats-server.conf, stages (of a probe that came through) has
answered_ms, stored_ms and total_ms, and what is empty is left out; and summary, with
status (pass, warn or fail: the worst) and how many there are of pass, warn, fail, skip.`,
		Example: `  treble-bridge doctor --config bridge.yaml
  treble-bridge doctor --no-probe
  treble-bridge doctor --json | jq -r '.checks[] | select(.status == "fail") | .fix'
  treble-bridge doctor --nats-url nats://nats-1:4222,nats://nats-2:4222 --max-lag 10m`,
		Args: cobra.NoArgs,
		RunE: d.run,
	}
	f := cmd.Flags()
	f.BoolVar(&d.noProbe, "no-probe", false, "send no event through the bridge")
	f.BoolVar(&d.json, "json", false, "print one JSON object")
	cli.DurationVar(f, &d.timeout, "timeout", 5*time.Second, "how long each check may take")
	f.Uint64Var(&d.behind.Pending, "max-pending", 10000, "more undelivered messages than that, and a consumer is far behind")
	cli.DurationVar(f, &d.behind.Lag, "max-lag", time.Hour, "an older message that is not acknowledged, and a consumer is far behind")
	cli.AddNATSFlags(cmd)
	cli.ConfiguredNATSOnly(cmd) // it examines the NATS of the bridge, which runs with nats.url alone
	return cmd
}

func (d *command) run(cmd *cobra.Command, _ []string) error {
	if d.timeout <= 0 {
		return cli.Usagef("--timeout: use a duration above 0, such as 5s")
	}
	var err error
	if d.config, err = cli.LoadConfig(cmd); err != nil {
		return err
	}
	if err := d.useDevToken(); err != nil {
		return err
	}
	if d.at, err = cli.ClientAddrs(&d.config.Config); err != nil {
		return err
	}
	d.examine(cmd.Context())
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	return d.report()
}

// useDevToken takes the token of the bridge where "serve --dev" made the secret.
func (d *command) useDevToken() error {
	if len(d.config.Sources) > 0 || d.config.HasAuth() {
		return nil
	}
	token, err := cli.ReadDevToken(d.config.DataDir)
	if err == nil && token != "" {
		d.devToken, d.config.Auth.Bearer = true, []value.Secret{value.Secret(token)}
	}
	return err
}

// examine makes the checklist. A check comes after those that it rests on.
func (d *command) examine(ctx context.Context) {
	o := d.options()
	readiness := d.askBridge(ctx)
	d.add(d.checkConfig()...)
	d.add(d.checkCertificates(time.Now())...)
	d.add(d.checkFiles()...)
	d.add(diagnose.Disk(o))
	d.add(d.checkPorts(ctx)...)
	session, connected := diagnose.Connect(ctx, o)
	d.add(connected)
	if session == nil {
		d.add(diagnose.SkippedChecks()...)
	} else {
		defer session.Close()
		d.add(session.Examine(ctx)...)
	}
	d.add(readiness)
	d.add(d.askCredentials(ctx)...)
	d.add(d.probe(ctx, session)...)
}

func (d *command) options() diagnose.Options {
	c := d.config
	return diagnose.Options{
		Client:  cli.ClientOptions(&c.Config, d.at.NATS, "doctor"),
		Streams: cli.StreamSpec(&c.Config),
		Journal: diagnose.Journal{
			Answers: c.Publisher.Ack == publisher.AckJournal, MaxBytes: c.Journal.MaxBytes, Reserve: c.Journal.Reserve, Retain: c.Journal.Retain,
		},
		DataDir:  c.DataDir,
		MaxBody:  c.Ingress.MaxBody,
		Timeout:  d.timeout,
		LagLimit: d.behind,
	}
}

// add takes checks onto the list. A fix without a place is a line for a shell.
func (d *command) add(checks ...diagnose.Check) {
	for _, c := range checks {
		if c.Fix != "" && c.FixIn == "" {
			c.FixIn = diagnose.InShell
		}
		d.checks = append(d.checks, c)
	}
}

// checkConfig returns the problems of "config check" as checks.
func (d *command) checkConfig() []diagnose.Check {
	const name = "config"
	var checks []diagnose.Check
	again := cli.ShellWords("treble-bridge", "config", "check", "--config", d.config.File)
	if d.config.File == "" {
		again = "treble-bridge config check"
	}
	for _, problem := range value.Unjoin(d.config.Validate()) {
		checks = append(checks, diagnose.Check{Name: name, Status: diagnose.Fail, Detail: problem.Error(), Fix: again})
	}
	for _, w := range d.config.Notices() {
		checks = append(checks, diagnose.Check{Name: name, Status: diagnose.Warn, Detail: w, Fix: again})
	}
	if d.devToken {
		checks = append(checks, diagnose.Check{Name: name, Status: diagnose.Warn, Detail: "no secret is configured, only serve --dev starts with that: it made one, in data_dir",
			Fix: diagnose.Setting("auth.bearer", "$(openssl rand -hex 24)"), FixIn: diagnose.InEnv})
	}
	if len(checks) == 0 {
		checks = append(checks, diagnose.Check{Name: name, Status: diagnose.Pass, Detail: "it is valid"})
	}
	return checks
}
