package quarantine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// retryCommand is the command that posts refused bodies again.
type retryCommand struct {
	streams cli.Streams
	flags   choiceFlags
	url     string
	tokens  webhook.TokenFlags
	headers []string
	toPath  string
	dryRun  bool
	yes     bool
	json    bool
}

func newRetry(streams cli.Streams) *cobra.Command {
	r := &retryCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "retry [ID…]",
		Short: "Post refused bodies to the bridge again, and remove what it takes",
		Long: `Try refused bodies again, one after the other, with today's parser and
configuration. Each is read here first: what would still be refused is not sent,
and stays. The others are posted to the running bridge as Treble would, to the path
that they came to, with the credentials of their source, and with the time at
which they were first received. What came to a path that no source serves (reason
not-found) goes to --to-path, with the credentials of the source that serves that one. A body that was answered with 200 is deleted from
the quarantine, and its bytes overwritten; anything else stays, with the reason.

What came without the credentials of its source (reason unauthorized, see
auth.keep_refused) is tried only if that reason or its id is given: look at it first, since
anybody may have sent it.

An event gets the id that it would have had. One without an id and a time of its
own (dedupekey none) gets a new id each time: if this command is killed between the
answer and the deletion, and run again, such an event is stored twice; any other
only outside the duplicate window. What is retried comes behind what was published
meanwhile.

It stops when the bridge does not answer, or answers what it should not with this
configuration: run it where the bridge runs, or with the same --config. It asks
before it begins. The exit code is 1 if anything is left.

--json prints one object a line: id, result (accepted; refused: today's parser refuses
it still, and it was not sent; kept for another reason; gone: somebody removed it
meanwhile), reason (why it was refused first), error (why it is still there), kinds (of
the events).`,
		Example: `  treble-bridge quarantine retry --reason kind-not-accepted
  treble-bridge quarantine retry --reason not-found --path /webhok --to-path /webhook
  treble-bridge quarantine retry --all --dry-run
  treble-bridge quarantine retry --all --url https://bridge.example.com --token-file token
  treble-bridge quarantine retry ALKJ3H1BQPTL2MD6Q6VX5Z --yes --json`,
		RunE: r.run,
	}
	r.flags.add(cmd, "until")
	f := cmd.Flags()
	f.BoolVar(&r.flags.all, "all", false, "everything in the quarantine, but what came without credentials")
	f.StringVar(&r.url, "url", "", "the bridge, without a path (default: the running one)")
	r.tokens.Add(f, "the configured one of each source; with --url none")
	f.StringVar(&r.toPath, "to-path", "", "the path for bodies that came to one that no source serves (not-found)")
	f.StringArrayVarP(&r.headers, "header", "H", nil, "further header, as 'Name: value'; may be repeated")
	f.BoolVar(&r.dryRun, "dry-run", false, "only say what would be taken; nothing is sent or deleted")
	f.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&r.json, "json", false, "print one JSON object a line")
	cli.AddNATSFlags(cmd)
	return cmd
}

func (r *retryCommand) run(cmd *cobra.Command, ids []string) error {
	filter, err := r.flags.choice(ids, time.Now())
	if err != nil {
		return err
	}
	if len(ids) == 0 && len(filter.Reasons) == 0 {
		// Their sender did not authenticate: they are posted only if --reason names them.
		filter.Reasons = slices.DeleteFunc(schema.Reasons(), func(r schema.Reason) bool { return r == schema.ReasonUnauthorized })
	}
	header, err := webhook.ParseHeaders(r.headers)
	if err != nil {
		return err
	}
	loaded, err := cli.LoadConfig(cmd)
	if err != nil {
		return err
	}
	bridge, err := r.bridge(&loaded.Config, header)
	if err != nil {
		return err
	}
	dry, err := newDryRun(&loaded.Config, bridge, r.toPath)
	if err != nil {
		return err
	}
	return withQuarantine(cmd, r.streams, func(q *opened) error {
		c, err := q.choose(cmd.Context(), filter)
		if err != nil {
			return err
		}
		if len(c.seqs) == 0 && len(c.missing) == 0 {
			_, err := fmt.Fprintln(r.streams.Err, "nothing in the quarantine is chosen")
			return err
		}
		if !r.yes && !r.dryRun && len(c.seqs) > 0 {
			if err := cli.Confirm(r.streams, fmt.Sprintf("Post %s to %s, and delete what it takes?", c, bridge.Base.Host)); err != nil {
				return err
			}
		}
		return r.retry(cmd.Context(), q, dry, c)
	})
}

func (r *retryCommand) bridge(c *config.Config, header http.Header) (*webhook.Bridge, error) {
	token, err := r.tokens.Read(r.streams, false)
	if err != nil {
		return nil, err
	}
	return webhook.OpenBridge(c, r.url, header, token, webhook.NewClient(10*time.Second, 1))
}

// retry tries one body after the other, until the bridge takes none any more.
func (r *retryCommand) retry(ctx context.Context, q *opened, dry *dryRun, c chosen) error {
	left := 0
	for i, seq := range c.seqs {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %d of %d are left", left+len(c.seqs)-i, len(c.seqs))
		}
		line, stop := r.one(ctx, q, dry, seq)
		if line.Result != retryAccepted {
			left++
		}
		if err := r.print(line); err != nil {
			return err
		}
		if rest := len(c.seqs) - i - 1; stop != nil {
			return fmt.Errorf("%d of %d are left, %d of them not tried: %w", left+rest, len(c.seqs), rest, stop)
		}
	}
	err := c.notThere()
	if left > 0 {
		err = errors.Join(fmt.Errorf("%d of %d are left", left, len(c.seqs)), err)
	}
	return err
}

// one tries one body. The error says why the others need not be tried.
func (r *retryCommand) one(ctx context.Context, q *opened, dry *dryRun, seq uint64) (RetriedJSON, error) {
	item, err := q.Get(ctx, seq)
	line := RetriedJSON{ID: item.ID, Reason: item.Reason, Result: retryKept}
	if errors.Is(err, quarantine.ErrGone) {
		line.ID, line.Result, line.Error = fmt.Sprintf("message %d", seq), retryGone, err.Error()
		return line, nil
	}
	if err != nil {
		line.ID, line.Error = fmt.Sprintf("message %d", seq), err.Error()
		return line, err
	}
	item = dry.readdress(item)
	d, err := dry.parse(item)
	switch {
	case err != nil:
		line.Error = err.Error()
		return line, nil
	case d.Rejection != nil:
		line.Result, line.Error = retryRefused, explain(d.Rejection)
		return line, nil
	}
	line.Kinds = kindsOf(d.Events)
	if r.dryRun {
		line.Result = retryAccepted
		return line, nil
	}
	// A retry that has begun is finished: the event may be stored already.
	ctx = context.WithoutCancel(ctx)
	answer := dry.bridge.Post(ctx, webhook.Delivery{Received: item.Received, Source: item.Source, Path: item.Path, Test: item.TestRun, Body: item.Data})
	if !answer.OK {
		line.Error = "the bridge did not take it: " + answer.Status
		return line, notTaken(answer)
	}
	q.noteRemoved(ctx, seq)
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	if err := q.Drop(ctx, seq); err != nil && !errors.Is(err, quarantine.ErrGone) {
		line.Error = "the bridge took it, and it could not be deleted: " + err.Error()
		return line, errors.New("bodies that were taken cannot be deleted, and would be taken again the next time")
	}
	line.Result = retryAccepted
	return line, nil
}

// deleteTimeout bounds the deletion of one body.
const deleteTimeout = 10 * time.Second

// notTaken returns why an answer means that the next body need not be tried.
func notTaken(answer webhook.Result) error {
	switch answer.Status {
	case "413": // it is too large for NATS; others are not
		return nil
	case "400", "422":
		// Here it was found fine. To go on would fill the quarantine with second
		// copies.
		return errors.New("the bridge refuses what this configuration takes, and keeps it again: use the configuration that it runs with")
	}
	return fmt.Errorf("the bridge does not take events (%s)", answer.Status)
}

// dryRun parses a body as the bridge will, to foresee its answer.
type dryRun struct {
	bridge   *webhook.Bridge
	parsers  map[string]delivery.Parser // by source
	path     string                     // instead of one that no source serves; "": none
	pathIsOf string                     // the source that serves path; "": nobody knows
}

// newDryRun returns one for a bridge. The error is of usage if no source serves the path.
func newDryRun(c *config.Config, b *webhook.Bridge, path string) (*dryRun, error) {
	d := &dryRun{bridge: b, parsers: map[string]delivery.Parser{}, path: path}
	if path != "" && !strings.HasPrefix(path, "/") {
		return nil, cli.Usagef("--to-path: use a path, such as /webhook")
	}
	for _, s := range c.EffectiveSources() {
		if path != "" && s.Serves(path) {
			d.pathIsOf = s.Name
		}
		p, err := s.Parser(c.Ingress)
		if err != nil {
			return nil, err
		}
		d.parsers[s.Name] = p
	}
	if path != "" && d.pathIsOf == "" && b.Own {
		return nil, cli.Usagef("--to-path: no source serves %q", path)
	}
	return d, nil
}

// readdress returns a body with the path, and the source, that it is to have. The one that a
// body of a path of no source came with is only the one whose secret it had.
func (d *dryRun) readdress(q quarantine.Body) quarantine.Body {
	if d.path != "" && q.Reason == schema.ReasonNotFound {
		q.Path = d.path
		if d.pathIsOf != "" {
			q.Source = d.pathIsOf
		}
	}
	return q
}

// parse reads a body as the bridge would. The error is why it cannot be told.
func (d *dryRun) parse(q quarantine.Body) (delivery.Delivery, error) {
	if err := d.bridge.Knows(webhook.Delivery{Source: q.Source, Path: q.Path}); err != nil {
		if q.Reason == schema.ReasonNotFound {
			return delivery.Delivery{}, fmt.Errorf("%w: name another with --to-path, or add it to sources[].paths", err)
		}
		return delivery.Delivery{}, fmt.Errorf("%w any more", err)
	}
	p, ok := d.parsers[q.Source]
	if !ok {
		return delivery.Delivery{}, fmt.Errorf("%w here", webhook.ErrNoSource)
	}
	return p.Parse(q.Data, delivery.Origin{Source: q.Source, Path: q.Path, Received: q.Received, TestRun: q.TestRun}), nil
}

// explain is the first thing that is wrong.
func explain(r *delivery.Rejection) string {
	text := string(r.Reason)
	if len(r.Violations) > 0 {
		text += ": " + r.Violations[0].String()
	}
	return text
}

func kindsOf(events []schema.Event) []schema.Kind {
	var kinds []schema.Kind
	for _, e := range events {
		if len(kinds) == 0 || kinds[len(kinds)-1] != e.Kind {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// The outcomes for a body.
const (
	retryAccepted = "accepted"
	retryRefused  = "refused" // still, by today's parser; it was not sent
	retryKept     = "kept"    // for another reason
	retryGone     = "gone"    // somebody removed it meanwhile
)

// RetriedJSON is the outcome for one body. Its form is stable.
type RetriedJSON struct {
	ID     string        `json:"id"`
	Result string        `json:"result"`
	Reason schema.Reason `json:"reason,omitempty"` // why it was refused first
	Kinds  []schema.Kind `json:"kinds,omitempty"`
	Error  string        `json:"error,omitempty"` // why it is still there
}

func (r *retryCommand) print(line RetriedJSON) error {
	if r.json {
		return cli.WriteJSON(r.streams.Out, line)
	}
	p, colour, text := terminal.PaletteFor(r.streams.Out), terminal.Yellow, line.Error
	if line.Result == retryAccepted {
		colour, text = terminal.Green, strings.Join(cli.Texts(line.Kinds), ", ")
	}
	_, err := fmt.Fprintf(r.streams.Out, "%s  %s  %s\n", p.Paint(colour, terminal.Pad(line.Result, len(retryAccepted))), terminal.Printable(line.ID), terminal.Printable(text))
	return err
}
