package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// record has all measurements of a run.
type record struct {
	Machine machine    `json:"machine"`
	Table   []row      `json:"table,omitempty"`
	Drains  []drainRow `json:"drains,omitempty"`
	Half    []halfRow  `json:"half_saturation,omitempty"`
	Lone    []loneRow  `json:"lone,omitempty"`
	Growth  []growth   `json:"growth,omitempty"`
}

// full measures the parts that the options ask for.
func full(ctx context.Context, b *bench, o options) (record, error) {
	rec := record{Machine: machineOf(ctx, b)}
	body, err := b.body(o.table.body)
	if err != nil {
		return rec, err
	}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"table", func() error {
			cells, err := o.table.run(ctx, b)
			rec.Table = rowsOf(cells)
			return err
		}},
		{"latency", func() error { return rec.latency(ctx, b, o, body) }},
		{"drain", func() error { return rec.drain(ctx, b, o, body) }},
		{"growth", func() error {
			b.repeatUntil = time.Now().Add(o.table.budget)
			rec.Growth, err = b.growth(ctx, o, body)
			return err
		}},
		{"memory", func() error {
			gs, err := b.growMemory(ctx, o, body)
			rec.Growth = append(rec.Growth, gs...)
			return err
		}},
	} {
		if !o.has(part.name) {
			continue
		}
		if err := part.run(); err != nil {
			return rec, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return rec, nil
}

// saturation returns the rate of each contestant of the table with 64 connections, or
// with as many as were measured.
func (rec *record) saturation() map[string]float64 {
	out := map[string]float64{}
	for _, r := range rec.Table {
		if _, ok := out[r.Contestant]; !ok || r.Connections <= 64 {
			out[r.Contestant] = r.Absolute["rate"]
		}
	}
	return out
}

func (rec *record) latency(ctx context.Context, b *bench, o options, body load.Body) (err error) {
	saturation := rec.saturation()
	if len(saturation) == 0 { // the table is not among the parts
		t := o.table
		t.connections, t.rounds = []int{64}, leastRounds
		cells, err := t.run(ctx, b)
		if err != nil {
			return err
		}
		saturation = (&record{Table: rowsOf(cells)}).saturation()
	}
	if rec.Half, err = b.latency(ctx, saturation, o.table.names, body, o.latencyRounds, o.openFor); err != nil {
		return err
	}
	keeping := slices.DeleteFunc(slices.Clone(o.table.names), func(n string) bool { return n == floorName })
	rec.Lone, err = b.lone(ctx, keeping, body, o.latencyRounds, 50)
	return err
}

func (rec *record) drain(ctx context.Context, b *bench, o options, body load.Body) error {
	cases := []drainCase{
		{Name: "one server", events: o.drainEvents, replicas: 1, rounds: o.drainRounds},
		{Name: "three replicas", events: o.drainEvents, replicas: 3, rounds: o.drainRounds},
		{Name: "a round trip of 5 ms", events: o.drainEvents, replicas: 1, roundTrip: 5 * time.Millisecond, rounds: o.drainRounds},
	}
	if o.pending > 0 {
		cases = append(cases, drainCase{Name: "the largest backlog", events: o.pending, replicas: 1, rounds: 1})
	}
	for _, c := range cases {
		r, err := b.drain(ctx, c, body)
		if r.Rounds > 0 {
			rec.Drains = append(rec.Drains, r)
		}
		if err != nil {
			return err
		}
		if r.wrong() {
			return fmt.Errorf("%s: %w: %+v", c.Name, errUnequal, r.account)
		}
	}
	return nil
}

// print prints the tables for a terminal.
func (rec *record) print(w io.Writer) {
	if len(rec.Table) > 0 {
		printTable(w, rec.Table)
	}
	if len(rec.Half) > 0 {
		fmt.Fprintln(w)
		printAligned(w, halfLines(rec.Half))
	}
	if len(rec.Lone) > 0 {
		fmt.Fprintln(w)
		printAligned(w, loneLines(rec.Lone))
	}
	if len(rec.Drains) > 0 {
		fmt.Fprintln(w)
		printAligned(w, drainLines(rec.Drains))
	}
	for _, g := range rec.Growth {
		fmt.Fprintln(w, "\n"+g.Title)
		printAligned(w, g.lines())
	}
}
