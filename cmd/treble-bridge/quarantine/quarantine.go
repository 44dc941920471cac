// Package quarantine has the commands that show, post again, export and delete refused bodies.
package quarantine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/schema"
)

// New returns the command quarantine with its subcommands.
func New(streams cli.Streams) *cobra.Command {
	return cli.NewGroup("quarantine", "See, try again, export or delete the bodies that were refused",
		newList(streams), newShow(streams), newRetry(streams), newDrop(streams), newExport(streams))
}

// choiceFlags are the flags by which commands choose refused bodies.
type choiceFlags struct {
	reasons      []string
	source, path string
	period       cli.Period
	all          bool
}

// add adds the flags to a command. The one that ends the period is "until" or "before".
func (f *choiceFlags) add(cmd *cobra.Command, until string) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.reasons, "reason", nil, "only bodies refused for this reason, such as not-json; may be repeated")
	flags.StringVar(&f.source, "source", "", "only bodies of the source with this name")
	flags.StringVar(&f.path, "path", "", "only bodies that were posted to this path")
	f.period.Add(flags, until, "received")
	cli.CompleteFlag(cmd, "reason", schema.Reasons())
}

// empty reports whether no flag narrows the choice.
func (f *choiceFlags) empty() bool {
	return len(f.reasons) == 0 && f.source == "" && f.path == "" && f.period.Since == "" && f.period.Until == ""
}

// filter checks the flags. Its errors are of usage.
func (f *choiceFlags) filter(ids []string, now time.Time) (quarantine.Filter, error) {
	out := quarantine.Filter{IDs: ids, Source: f.source, Path: f.path}
	for _, name := range f.reasons {
		r := schema.Reason(name)
		if !slices.Contains(schema.Reasons(), r) {
			return out, cli.Usagef("--reason: unknown reason %q: use one of %s", name, strings.Join(cli.Texts(schema.Reasons()), ", "))
		}
		if !slices.Contains(out.Reasons, r) {
			out.Reasons = append(out.Reasons, r)
		}
	}
	var err error
	out.Since, out.Until, err = f.period.Parse(now)
	return out, err
}

// choice is filter for a command that changes something: what it is about has to
// be said, in one way.
func (f *choiceFlags) choice(ids []string, now time.Time) (quarantine.Filter, error) {
	switch {
	case len(ids) > 0 && (f.all || !f.empty()):
		return quarantine.Filter{}, cli.Usagef("name ids, or choose by flags: use one of them")
	case f.all && !f.empty():
		return quarantine.Filter{}, cli.Usagef("--all and flags that choose: use one of them")
	case len(ids) == 0 && f.empty() && !f.all:
		return quarantine.Filter{}, cli.Usagef("say which: ids (see treble-bridge quarantine list), flags such as --reason, or --all")
	}
	return f.filter(ids, now)
}

// chosen are the bodies that a filter chose: where they are, so that the bodies
// themselves can be read one by one.
type chosen struct {
	seqs    []uint64
	reasons map[schema.Reason]int
	missing []string // ids that are not in the quarantine
}

// choose finds the bodies that a filter chooses.
func (q *opened) choose(ctx context.Context, f quarantine.Filter) (chosen, error) {
	c := chosen{reasons: map[schema.Reason]int{}}
	found := map[string]bool{}
	for item, err := range q.Select(ctx, f, nil) {
		if err != nil {
			return c, err
		}
		c.seqs = append(c.seqs, item.Sequence)
		c.reasons[item.Reason]++
		if len(f.IDs) > 0 {
			found[item.ID] = true
		}
	}
	for _, id := range f.IDs {
		if !found[id] {
			c.missing = append(c.missing, id)
		}
	}
	return c, nil
}

// chooseAll is choose, with an error if an id is not in the quarantine.
func (q *opened) chooseAll(ctx context.Context, f quarantine.Filter) (chosen, error) {
	c, err := q.choose(ctx, f)
	if err == nil {
		err = c.notThere()
	}
	return c, err
}

// String returns a text such as "3 refused bodies: 2 not-json, 1 missing-fields".
func (c chosen) String() string {
	return refusedBodies(int64(len(c.seqs))) + byReason(c.reasons)
}

func refusedBodies(n int64) string { return english.Plural(int(n), "refused body", "refused bodies") }

// byReason lists the counts, the largest first.
func byReason(reasons map[schema.Reason]int) string {
	var parts []string
	for _, r := range slices.SortedFunc(maps.Keys(reasons), func(a, b schema.Reason) int {
		return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b))
	}) {
		parts = append(parts, fmt.Sprintf("%d %s", reasons[r], terminal.Printable(string(r))))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// notThere is the error of ids that are not in the quarantine.
func (c chosen) notThere() error {
	if len(c.missing) == 0 {
		return nil
	}
	return fmt.Errorf("not in the quarantine: %s; see treble-bridge quarantine list", terminal.Printable(strings.Join(c.missing, ", ")))
}

// opened is the quarantine that a command works on.
type opened struct {
	*quarantine.Reader
	client  *client.Client
	config  *config.Config
	streams cli.Streams
}

// withQuarantine calls f with the quarantine of the command line's NATS.
func withQuarantine(cmd *cobra.Command, streams cli.Streams, f func(*opened) error) error {
	cfg, client, err := cli.Connect(cmd, streams, "quarantine")
	if err != nil {
		return err
	}
	defer client.Close()
	q, err := quarantine.Open(cmd.Context(), client)
	if err != nil {
		return err
	}
	return f(&opened{Reader: q, client: client, config: cfg, streams: streams})
}

// noteRemoved tells the bridge of this host, if there is one, that bodies are about to be
// removed from the quarantine on purpose: else it would heal them when NATS is started again
// soon.
func (q *opened) noteRemoved(ctx context.Context, seqs ...uint64) {
	dir, err := forget.OpenDataDir(ctx, q.config.DataDir, nil, q.client.Events(), q.config.Journal.Retain)
	if err == nil && dir != nil {
		err = dir.NoteRefused(ctx, seqs...)
	}
	if err != nil {
		fmt.Fprintf(q.streams.Err, "the bridge could not be told (%v): if NATS is started again within half a minute, it may put back what is removed now\n", err)
	}
}
