package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/config/value"
)

// linesFile returns the name of a file of delivery lines, - for standard input, if
// that is what the command line asks to send.
func (s *command) linesFile(args []string) (name string, ok bool) {
	if name = s.file; name == "" && len(args) > 0 {
		name = args[0]
	}
	return name, name != "" && (s.ndjson || strings.HasSuffix(name, ".ndjson"))
}

// sendLines posts the deliveries of a file, each to its own path.
func (s *command) sendLines(cmd *cobra.Command, name string, header http.Header) error {
	switch {
	case s.file != "" && cmd.Flags().NArg() > 0:
		return cli.Usagef("--file and %q: use one of them", cmd.Flags().Arg(0))
	case cmd.Flags().Changed("count") || s.same:
		return cli.Usagef("--count and --same are for samples: each line of %s is sent once", name)
	}
	in, total, err := s.openLines(name)
	if err != nil {
		return err
	}
	defer in.Close()
	loaded, err := cli.LoadConfig(cmd)
	if err != nil {
		return err
	}
	d, err := webhook.OpenBridge(&loaded.Config, s.url, header, s.token, webhook.NewClient(s.load.timeout, s.load.concurrency))
	if err != nil {
		return err
	}
	if err := s.confirm(d.Base, []string{name}); err != nil {
		return err
	}
	f := &lineFeed{in: in, bridge: d}
	s.load.count = total
	if name == "-" {
		total = 0 // not known
	}
	bar := terminal.NewProgress(s.streams.Err, total)
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	f.stop = stop
	sum := s.load.run(ctx, f.next, func(r webhook.Result) { bar.Step(r.OK) })
	bar.Done()
	sum.URL = value.WithoutUserinfo(d.Base.String())
	return errors.Join(sum.print(s.streams.Out, s.json), f.report(s.streams.Err, cmd.Context().Err() != nil))
}

// openLines opens the input, and returns how many lines it has; of standard input that is not known.
func (s *command) openLines(name string) (*cli.Lines[webhook.Delivery], int, error) {
	if name == "-" {
		return cli.NewLines(io.NopCloser(s.streams.In), "delivery", webhook.ParseDelivery), math.MaxInt, nil
	}
	in, total, err := cli.OpenLines(name, "delivery", webhook.ParseDelivery)
	if err != nil {
		return nil, 0, fmt.Errorf("%w; nothing was sent", err)
	}
	return in, total, nil
}

// mostNamed bounds how many lines that were not taken are named.
const mostNamed = 20

// lineFeed sends lines until one shows that the bridge takes none.
type lineFeed struct {
	bridge *webhook.Bridge
	stop   context.CancelFunc

	mu      sync.Mutex // guards what follows, and the order of the lines
	in      *cli.Lines[webhook.Delivery]
	last    int      // the line that was sent last
	ended   bool     // nothing more is to be sent
	broken  error    // what is wrong with the input
	refused []string // lines that the bridge does not take
	more    int      // of them, beyond mostNamed
	resume  int      // the first line that is to be sent again; 0: none
	why     string   // of it
}

// next sends the next line.
func (f *lineFeed) next(ctx context.Context) webhook.Result {
	d, number, ok := f.take()
	if !ok {
		return webhook.Result{}
	}
	r := f.bridge.Post(ctx, d)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.OK:
	case !r.OfTheDelivery():
		if f.resume == 0 || number < f.resume {
			f.resume, f.why = number, r.Status
		}
		f.end()
	case len(f.refused) < mostNamed:
		f.refused = append(f.refused, fmt.Sprintf("line %d: %s", number, r.Status))
	default:
		f.more++
	}
	return r
}

func (f *lineFeed) take() (d webhook.Delivery, number int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return d, 0, false
	}
	d, err := f.in.Next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			f.broken = err
		}
		f.end()
		return d, 0, false
	}
	f.last = f.in.Number
	return d, f.last, true
}

func (f *lineFeed) end() {
	f.ended = true
	f.stop()
}

// report names the lines that are left, and returns an error if there are any.
func (f *lineFeed) report(w io.Writer, interrupted bool) error {
	for _, text := range f.refused {
		fmt.Fprintln(w, "not taken:", text)
	}
	if f.more > 0 {
		fmt.Fprintf(w, "not taken: and %d more\n", f.more)
	}
	var errs []error
	if n := len(f.refused) + f.more; n > 0 {
		errs = append(errs, fmt.Errorf("%s not taken", english.Plural(int(n), "line was", "lines were")))
	}
	switch {
	case f.resume > 0:
		errs = append(errs, fmt.Errorf("stopped at line %d (%s): when that is mended, go on from there: tail -n +%d FILE > rest.ndjson", f.resume, f.why, f.resume))
	case f.broken != nil:
		errs = append(errs, fmt.Errorf("stopped, since %w", f.broken))
	case interrupted:
		errs = append(errs, fmt.Errorf("interrupted after line %d: go on with tail -n +%d FILE > rest.ndjson", f.last, f.last+1))
	}
	return errors.Join(errs...)
}
