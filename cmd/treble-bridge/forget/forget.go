// Package forget implements the command that deletes all that is kept of a person.
package forget

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// command is the command that deletes all that is kept of a person.
type command struct {
	streams     cli.Streams
	spec        streams.Spec // of the bridge
	phone       string
	sessions    []string
	alsoIn      []string
	wait        bool
	waitPending time.Duration
	show        bool
	dryRun      bool
	yes         bool
	json        bool
}

const help = `Delete a person's messages for good: from the stream of the events, the quarantine and
the stream of the replays (and each --stream), whatever their subjects; from the set-aside
and the copies of damaged bytes in data_dir. The servers overwrite what they delete. It
counts first, and asks before it begins. A record of each run, with counts and without
number and sessions, is kept in the bucket <publisher.stream>_AUDIT.

The journals in data_dir keep a copy of what was published for journal.retain, to heal
what NATS loses. The bridge notes that it may not heal these, and they go by themselves,
within journal.retain and a minute while the bridge runs and NATS is reachable: it is
said by when. --wait waits for that, and looks everywhere again.

With --phone, a message is the person's if the number stands in it, however it is spelled
(blanks, dashes and digits of any script, (0) and 00, links, escapes), or if it is of the same session as one in which the number stands. A session that
other numbers have too, such as a placeholder, tells nothing. A message of somebody else
in which the number is mentioned is deleted, and nothing else of that talk. Numbers without a
country code are not found. With --session, all of that session is the person's.

A running bridge keeps running: it is told through a socket in data_dir, by who may
write there. What it has accepted and NATS has not taken yet is waited for (--wait-pending)
and then left, since it was promised. With a nats.url, run it on the host of each bridge,
or its data_dir keeps what it has, and its journal may publish it again; --session with
what --show-sessions prints finds there what only a session tells.

Not covered: what consumers keep, backups, files that were exported, and a message of
which a server keeps copies elsewhere; as far as such places are known they are named.
Servers whose store is encrypted delete without overwriting.

What comes when the run has begun is left to another one, or it might not end: it is counted in
what is left. What only a session tells is then found with --session.

The exit code is 0 only if nothing of the person is left in any of these places, but for
copies in the journals of a running bridge, whose end is told; with --wait it is 0 only if
these are gone too. If it is 1, something is left or may be: everything is read again at
the end, what is left is named (sequences, files), what to do is said, and it is safe to
run it again. If no bridge runs, the copies in its journals stay until
one is started, and the exit code is 1.

--json prints one object: run (its name in the audit, none if nothing was to be done), state
(done, failed, stopped; dry-run), sessions (how many are known), shared_sessions (that
tell nothing), found, erased and left (each with streams; journal, of which pending are not
published yet; set_aside; damaged; erased has of the journal what went meanwhile; left has
what came when the run had begun too, and is missing if it is not known), journal_gone_by (RFC 3339, when what is left in the journals is
gone; missing if nothing is, or no bridge runs), data_dir (running, stopped, none), notes
(what to look after besides).`

// New returns the command forget.
func New(streams cli.Streams) *cobra.Command {
	f := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "forget",
		Short: "Delete all that is kept of a person, by telephone number or session",
		Long:  help,
		Example: `  treble-bridge forget --phone +573001234567 --dry-run
  treble-bridge forget --phone - --yes --wait < number.txt          # the number stays out of ps and history
  treble-bridge forget --session d2fa98d29a2670dfa119335df1b0371720d674f1677302aba228876a
  treble-bridge forget --phone - --nats-url nats://nats-1:4222 --stream BILLING --json --yes < number.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which are not shown: one may be a number
				return cli.Usagef("forget takes no arguments: use --phone or --session")
			}
			return nil
		},
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.phone, "phone", "", "the person's number, such as +573001234567; - reads it from standard input")
	flags.StringArrayVar(&f.sessions, "session", nil, "the id of a session of the person; may be repeated")
	flags.StringArrayVar(&f.alsoIn, "stream", nil, "also delete from this stream; may be repeated")
	flags.BoolVar(&f.wait, "wait", false, "wait until the copies in the journals are gone too, about journal.retain and a minute")
	cli.DurationVar(flags, &f.waitPending, "wait-pending", 10*time.Second, "how long to wait for what is not published yet")
	flags.BoolVar(&f.show, "show-sessions", false, "print the sessions that are known to be the person's, to standard error")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only count")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	cli.AddNATSFlags(cmd)
	return cmd
}

// person reads the flags that name the person. No error repeats a number.
func (f *command) person() (*forget.Person, error) {
	for _, s := range f.sessions {
		if s == "" {
			return nil, cli.Usagef("--session: use the id of a session")
		}
	}
	switch {
	case f.waitPending < 0:
		return nil, cli.Usagef("--wait-pending: use a duration, such as 10s")
	case f.phone == "" && len(f.sessions) == 0:
		return nil, cli.Usagef("say who: --phone or --session")
	case f.phone == "":
		return forget.ByID(f.sessions...), nil
	}
	if f.phone == "-" {
		var err error
		if f.phone, err = f.readPhone(); err != nil {
			return nil, err
		}
	}
	p, ok := forget.ByPhone(f.phone)
	if !ok || !saysCountry(f.phone) {
		return nil, cli.Usagef("--phone: use the international form, with + before the country code, such as +573001234567")
	}
	p.Give(f.sessions...)
	return p, nil
}

// saysCountry reports whether a number says that it begins with a country code. A national
// number would be taken for one of another country, and that person's messages deleted.
func saysCountry(number string) bool {
	if strings.ContainsAny(number, "+\uff0b") {
		return true
	}
	digits := strings.TrimLeftFunc(number, func(r rune) bool { return r < '0' || r > '9' })
	return strings.HasPrefix(digits, "00") || strings.Contains(number, "wa.me")
}

// longestNumber leaves room for what an address book puts around the digits.
const longestNumber = 1024

// readPhone reads one line, and nothing behind it: the answer to the question may
// follow.
func (f *command) readPhone() (string, error) {
	if terminal.Is(f.streams.In) {
		fmt.Fprint(f.streams.Err, "number: ")
	}
	var line strings.Builder
	for b := make([]byte, 1); ; {
		n, err := f.streams.In.Read(b)
		if n > 0 && b[0] == '\n' || err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("--phone: read standard input: %w", err)
		}
		if line.Write(b[:n]); line.Len() > longestNumber {
			return "", cli.Usagef("--phone: the line of standard input is too long for a number")
		}
	}
	return strings.TrimSpace(line.String()), nil
}

func (f *command) run(cmd *cobra.Command, _ []string) error {
	p, err := f.person()
	if err != nil {
		return err
	}
	cfg, client, err := cli.Connect(cmd, f.streams, "forget")
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := cmd.Context()
	f.spec = cli.StreamSpec(cfg)
	keys, err := cfg.Encryption.Load()
	if err != nil {
		return err
	}
	dir, err := forget.OpenDataDir(ctx, cfg.DataDir, keys, client.Events(), cfg.Journal.Retain)
	if err != nil {
		return err
	}
	run := forget.New(client, dir, p, f.alsoIn...)
	view := RunJSON{DataDir: dataDirState(dir), Erased: forget.Counts{Streams: map[string]int64{}}, Notes: []string{}}
	if view.Found, err = f.find(ctx, run); err == nil {
		view.about(p)
		view.Notes = append(view.Notes, run.Copies(ctx, f.spec)...)
		view.Notes = append(view.Notes, f.elsewhere(cfg, dir, p)...)
		err = f.forget(ctx, client, run, dir, p, &view)
	}
	if f.show {
		for _, s := range p.Sessions() {
			fmt.Fprintln(f.streams.Err, terminal.Printable(s))
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("interrupted: run it again to go on")
	}
	return err
}

// find counts, and shows its progress.
func (f *command) find(ctx context.Context, run *forget.Run) (forget.Counts, error) {
	n, note := 0, terminal.NewNote(f.streams.Err)
	defer note.Done()
	return run.Find(ctx, func() {
		n++
		note.Printf("searching: %d messages read", n)
	})
}

// forget deletes, or only counts, the messages that were found, and prints the result.
func (f *command) forget(ctx context.Context, client *client.Client, run *forget.Run, dir *forget.DataDir, p *forget.Person, v *RunJSON) error {
	switch {
	case f.dryRun:
		v.State = "dry-run"
		return errors.Join(v.print(f.streams, f.json), run.Denied())
	case run.Idle() && (v.Found.Copies() == 0 || !f.wait):
		v.setLeft(run.Kept(), dir)
		v.State = audit.Done
		failure := f.unfinished(run, v, false)
		if failure != nil {
			v.State = audit.Failed
		}
		return errors.Join(v.print(f.streams, f.json), failure)
	}
	if err := run.Denied(); err != nil {
		return err
	}
	if !f.yes && !run.Idle() {
		if err := cli.Confirm(f.streams, fmt.Sprintf("Delete %s for good?", places(v.Found))); err != nil {
			return err
		}
	}
	err := f.erase(ctx, client, run, dir, v)
	v.about(p)
	return errors.Join(v.print(f.streams, f.json), err)
}

// elsewhere returns notes on data directories of other hosts.
func (f *command) elsewhere(c *config.Config, dir *forget.DataDir, p *forget.Person) []string {
	if c.NATS.URL == "" {
		return nil
	}
	session := ""
	if len(p.Sessions()) > 0 && f.phone != "" {
		session = " (and --session with each that --show-sessions prints here)"
	}
	line := "treble-bridge forget --phone - --config … < number.txt"
	if f.phone == "" {
		line = "treble-bridge forget --session … --config …"
	}
	if dir == nil {
		return []string{fmt.Sprintf("no bridge's data_dir is on this host: journal and set-aside of each bridge keep what they have, until you run there: %s%s", line, session)}
	}
	return []string{fmt.Sprintf("if other bridges publish to this NATS, run on the host of each: %s%s", line, session)}
}

func dataDirState(d *forget.DataDir) string {
	switch {
	case d == nil:
		return "none"
	case d.Running():
		return "running"
	}
	return "stopped"
}
