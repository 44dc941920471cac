package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// What became of a body that was sent directly.
const (
	statusStored    = "stored"
	statusDuplicate = "duplicate" // the stream had all of its events
	statusRefused   = "refused"   // a bridge would have refused it too
	statusFailed    = "failed"
)

// checkDirect: flags about a bridge and flags about NATS do not go together.
func (s *send) checkDirect(cmd *cobra.Command, args []string) error {
	if !s.direct {
		for _, name := range []string{"nats-url", "nats-context"} {
			if cmd.Flags().Changed(name) {
				return usagef("--%s is where to publish with --direct; a bridge is given by --url", name)
			}
		}
		return nil
	}
	for _, name := range []string{"url", "token", "header"} {
		if cmd.Flags().Changed(name) {
			return usagef("--direct and --%s: use one of them", name)
		}
	}
	if _, ok := s.lines(args); ok {
		return usagef("--direct is for samples and bodies: post exported deliveries to a bridge, which knows their sources")
	}
	return nil
}

// sendDirect publishes what the bridge of this configuration would.
func (s *send) sendDirect(cmd *cobra.Command, c *config.Config, args []string, bodies func() []byte, run string) error {
	d, err := newDirect(c, run)
	if err != nil {
		return err
	}
	where, err := natsHosts(c)
	if err != nil {
		return err
	}
	if err := s.confirmNATS(where, args); err != nil {
		return err
	}
	if d.client, err = openClient(cmd, c, s.io, "send"); err != nil {
		return err
	}
	defer d.client.Close()
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	d.stop, d.timeout = stop, s.load.timeout
	bar := newProgress(s.io.err, s.load.count)
	sum := s.load.run(ctx, func(ctx context.Context) result { return d.send(ctx, bodies()) }, bar.step)
	bar.done()
	sum.Run, sum.URL = run, "nats://"+strings.Join(where, ",")
	if err := sum.print(s.io.out, s.json); err != nil {
		return err
	}
	switch {
	case d.err != nil:
		return d.err
	case cmd.Context().Err() != nil && sum.Sent < s.load.count:
		return fmt.Errorf("interrupted after %d of %d", sum.Sent, s.load.count)
	case sum.OK < sum.Sent:
		return fmt.Errorf("%d of %d were not stored", sum.Sent-sum.OK, sum.Sent)
	}
	return nil
}

// natsHosts returns host:port of the servers that openClient connects to, or
// as much as can be told, and nothing else of their URLs.
func natsHosts(c *config.Config) ([]string, error) {
	if c.NATS.URL == "" {
		at, err := clientAddrs(c)
		return []string{at.NATS}, err
	}
	var hosts []string
	for _, entry := range strings.Split(c.NATS.URL, ",") {
		entry = strings.TrimSpace(entry)
		if !strings.Contains(entry, "://") {
			entry = "nats://" + entry
		}
		u, err := url.Parse(entry)
		if err != nil {
			return nil, usagef("nats.url: use nats://host:port") // not repeated: it may hold a password
		}
		hosts = append(hosts, u.Host)
	}
	return hosts, nil
}

// confirmNATS asks before anything goes to another host.
func (s *send) confirmNATS(hosts, args []string) error {
	elsewhere := slices.ContainsFunc(hosts, func(host string) bool { return !isLoopback((&url.URL{Host: host}).Hostname()) })
	if s.yes || !elsewhere {
		return nil
	}
	question := fmt.Sprintf("Publish %d test events to NATS at %s?", s.load.count, strings.Join(hosts, ", "))
	if len(args) > 0 && args[0] == "-" {
		return usagef("%s Nobody can be asked: confirm with --yes", question)
	}
	return confirm(s.io, question)
}

// direct makes events of bodies and publishes them. Several goroutines may use
// it once it is open.
type direct struct {
	parser  delivery.Parser
	origin  delivery.Origin
	client  *publisher.Client
	timeout time.Duration // of one body
	stop    context.CancelFunc

	once sync.Once
	err  error // why nothing more is to be sent
}

// newDirect takes the part of the first source of the configuration.
func newDirect(c *config.Config, run string) (*direct, error) {
	source := c.EffectiveSources()[0]
	parser, err := parserOf(c, source)
	return &direct{parser: parser, origin: delivery.Origin{Source: source.Name, Path: webhookPath(c), TestRun: run}}, err
}

// send publishes the events of a body, in their order.
func (d *direct) send(ctx context.Context, body []byte) result {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	began := time.Now()
	origin := d.origin
	origin.Received = began
	delivery := d.parser.Parse(body, origin)
	if r := delivery.Rejection; r != nil {
		return result{status: statusRefused, took: time.Since(began), reply: rejectionText(r)}
	}
	known := 0
	for _, e := range delivery.Events {
		duplicate, err := d.client.PublishEvent(ctx, e)
		if err != nil {
			return d.failed(err, time.Since(began))
		}
		if duplicate {
			known++
		}
	}
	status := statusStored
	if known == len(delivery.Events) {
		status = statusDuplicate
	}
	return result{status: status, ok: true, took: time.Since(began)}
}

// failed ends the run if the next body would fare no better.
func (d *direct) failed(err error, took time.Duration) result {
	if errors.Is(err, publisher.ErrNoStream) {
		d.once.Do(func() { d.err = err })
		d.stop()
		return result{status: "no stream", took: took}
	}
	return result{status: statusFailed, took: took, reply: err.Error()}
}

// rejectionText says what is wrong with a body, as the answer of a bridge does.
func rejectionText(r *delivery.Rejection) string {
	var all []string
	for _, v := range r.Violations {
		if v.Field != "" {
			v.Problem = v.Field + ": " + v.Problem
		}
		all = append(all, v.Problem)
	}
	return string(r.Reason) + ": " + strings.Join(all, "; ")
}
