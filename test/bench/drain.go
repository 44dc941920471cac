package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/delay"
	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/message"
	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// drainCase is a backlog that was made while NATS was away.
type drainCase struct {
	Name      string
	events    int
	replicas  int
	roundTrip time.Duration
	rounds    int
}

// drained is the result of one drain of a backlog.
type drained struct {
	Waited float64 `json:"waited_s"` // from the start of NATS to the first event in the stream
	Rate   float64 `json:"rate"`     // events a second from the first to the last
}

// drainRow is a case over its rounds.
type drainRow struct {
	Case   string       `json:"case"`
	Events int          `json:"events"`
	Rounds int          `json:"rounds"`
	Rate   ratio.Spread `json:"rate"` // of the bridge, events a second
	Bare   ratio.Spread `json:"bare"` // of the bare publisher
	Ratio  ratio.Spread `json:"ratio"`
	Waited ratio.Spread `json:"waited_s"`
	account
}

// bareStream is the stream of the bare publisher, beside the bridge's.
const bareStream = "BARE"

// drain runs a case: in each round the bridge and the bare publisher, on one
// server that is started anew for each of the two.
func (b *bench) drain(ctx context.Context, c drainCase, body load.Body) (drainRow, error) {
	row := drainRow{Case: c.Name, Events: c.events}
	var rates, bares, ratios, waits []float64
	for range c.rounds {
		d := drainRound{bench: b, drainCase: c, body: body}
		ours, bare, err := d.run(ctx)
		row.account.add(d.account)
		if err != nil {
			return row, fmt.Errorf("drain, %s: %w", c.Name, err)
		}
		row.Rounds++
		rates, bares = append(rates, ours.Rate), append(bares, bare.Rate)
		ratios, waits = append(ratios, ours.Rate/bare.Rate), append(waits, ours.Waited)
		b.say("drain, %s: %.0f events/s, bare %.0f", c.Name, ours.Rate, bare.Rate)
	}
	row.Rate, row.Bare, row.Ratio, row.Waited = ratio.Of(rates), ratio.Of(bares), ratio.Of(ratios), ratio.Of(waits)
	return row, nil
}

// drainRound is a round of a case.
type drainRound struct {
	*bench
	drainCase
	body    load.Body
	nodes   nodes
	url     string // of the nodes, perhaps through a proxy
	file    string // with the messages that the bridge stored
	account account
}

func (d *drainRound) run(ctx context.Context) (ours, bare drained, err error) {
	if d.nodes, err = d.startNodes(ctx, "drain-nats", d.replicas); err != nil {
		return ours, bare, err
	}
	defer func() {
		for _, s := range d.nodes {
			s.Kill()
		}
		err = errors.Join(err, d.removeStores())
	}()
	d.url = d.nodes.url()
	if d.roundTrip > 0 {
		p, err := delay.Listen(d.nodes[0].addr, d.roundTrip)
		if err != nil {
			return ours, bare, err
		}
		defer p.Close()
		d.url = "nats://" + p.Addr()
	}
	if ours, err = d.bridge(ctx); err != nil {
		return ours, bare, err
	}
	defer func() { _ = os.Remove(d.file) }() // in a directory of temporary files
	bare, err = d.bare(ctx)
	return ours, bare, err
}

// removeStores makes room for the next round: a million events are gigabytes.
func (d *drainRound) removeStores() error {
	var errs []error
	for _, s := range d.nodes {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// bridge makes the backlog, and measures until the stream has it.
func (d *drainRound) bridge(ctx context.Context) (drained, error) {
	p, err := d.startBridge(ctx, "drain-bridge", "", true, "TREBLE_BRIDGE_NATS_URL="+d.url,
		fmt.Sprintf("TREBLE_BRIDGE_PUBLISHER_REPLICAS=%d", d.replicas))
	if err != nil {
		return drained{}, err
	}
	defer func() {
		p.Kill()
		_ = os.RemoveAll(p.dataDir) // what is left is removed with the rest
	}()
	if err := d.nodes.stop(); err != nil {
		return drained{}, err
	}
	outcomes, err := d.fill(ctx, p.addrs.Ingress, d.body, 0, d.events)
	if err != nil {
		return drained{}, p.With(err)
	}
	began := time.Now()
	if err := d.nodes.start(ctx); err != nil {
		return drained{}, err
	}
	s, err := openStream(d.nodes.url())
	if err != nil {
		return drained{}, err
	}
	defer s.close()
	if err := s.await(ctx, d.events); err != nil {
		return drained{}, p.With(err)
	}
	p.Kill() // nothing of it may run while the other is measured
	if d.account, err = d.save(ctx, s, outcomes); err != nil {
		return drained{}, err
	}
	return s.drained(ctx, began)
}

// save holds the stream against the outcomes and writes its messages to a file.
func (d *drainRound) save(ctx context.Context, s *stream, outcomes []load.Outcome) (account, error) {
	f, err := os.CreateTemp(d.dir, "messages-")
	if err != nil {
		return account{}, err
	}
	defer f.Close()
	d.file = f.Name()
	w := bufio.NewWriterSize(f, 1<<20)
	t, err := s.checkEach(ctx, 0, outcomes, func(m jetstream.Msg) error {
		return message.Write(w, m.Headers().Get(jetstream.MsgIDHeader), m.Data())
	})
	return t, errors.Join(err, w.Flush())
}

// bare publishes the same messages to another stream with the same settings.
func (d *drainRound) bare(ctx context.Context) (drained, error) {
	began, s, err := d.nodes.restart(ctx)
	if err != nil {
		return drained{}, err
	}
	defer s.close()
	s.name = bareStream
	if _, err := s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: bareStream, Subjects: []string{"bare.>"}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxAge: 30 * 24 * time.Hour, Duplicates: 10 * time.Minute, AllowDirect: true, Replicas: d.replicas,
	}); err != nil {
		return drained{}, err
	}
	p, err := d.group.Start("bare", d.bin.path("bare"), nil, []string{"NATS_URL=" + d.url, "FILE=" + d.file, "SUBJECT=bare.message.read"})
	if err != nil {
		return drained{}, err
	}
	defer p.Kill()
	if err := s.await(ctx, d.events); err != nil {
		return drained{}, err
	}
	return s.drained(ctx, began)
}

// drained reads from the stream when the server stored its first and its last
// message: nothing that watches could be as exact.
func (s *stream) drained(ctx context.Context, began time.Time) (drained, error) {
	st, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return drained{}, err
	}
	state := st.CachedInfo().State
	took := state.LastTime.Sub(state.FirstTime)
	if took <= 0 {
		return drained{}, fmt.Errorf("the backlog of %d was stored at once: make it larger", state.Msgs)
	}
	return drained{Waited: state.FirstTime.Sub(began).Seconds(), Rate: float64(state.Msgs) / took.Seconds()}, nil
}

// drainLines are the rows as a table.
func drainLines(rows []drainRow) [][]string {
	lines := [][]string{{"backlog", "events", "rate ×bare", "events/s", "bare events/s", "until the first, s", "answered = stored"}}
	for _, r := range rows {
		verdict := fmt.Sprintf("yes: %d", r.Events*r.Rounds)
		if r.wrong() {
			verdict = fmt.Sprintf("NO: %d missing, %d extra, %d twice", r.Missing, r.Extra, r.Twice)
		}
		lines = append(lines, []string{r.Case, fmt.Sprint(r.Events), r.Ratio.String(), r.Rate.String(), r.Bare.String(), r.Waited.String(), verdict})
	}
	return lines
}
