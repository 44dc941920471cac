package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	command  string // quick, full or check
	root     string
	tmp      string
	json     string
	docs     string // directory of benchmarks.md
	recorded string
	parts    []string
	table    mainTable

	drainEvents, drainRounds, pending int
	latencyRounds                     int
	openFor                           time.Duration
	growthRounds                      int
	bounds                            bounds
}

// bounds are the upper ends of the growth figures.
type bounds struct {
	body, connections, backlog, sources, stream, minutes int
}

// The commands, and the parts of full.
var (
	commands = []string{"quick", "full", "check"}
	allParts = []string{"table", "drain", "latency", "growth", "memory"}
)

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.root, "root", "../..", "directory of the repository")
	fs.StringVar(&o.tmp, "tmp", "", "directory for what is temporary, on a disk like the data directory's (default: the system's)")
	fs.StringVar(&o.json, "json", "", "also write what was measured to this file")
	fs.StringVar(&o.docs, "docs", "../../docs", "directory into which full writes benchmarks.md and its figures")
	fs.StringVar(&o.recorded, "recorded", "recorded.json", "file that full writes and check compares with")
	parts := fs.String("parts", strings.Join(allParts, ","), "what full measures")

	names := fs.String("contestants", "", "who is in the table (default: four for quick and check, all for full)")
	connections := fs.String("connections", "1,16,64,256", "connections of the closed loop")
	fs.IntVar(&o.table.rounds, "rounds", 9, "rounds of the table at most")
	fs.DurationVar(&o.table.budget, "budget", 0, "no round begins that would end after this time; three are made anyway (default: 140s, for full 20m)")
	fs.DurationVar(&o.table.warmUp, "warm-up", 100*time.Millisecond, "load before each measurement")
	fs.DurationVar(&o.table.measure, "measure", 500*time.Millisecond, "length of each measurement")
	fs.IntVar(&o.table.body, "body", 574, "size of a body")

	fs.IntVar(&o.drainEvents, "drain-events", 50_000, "events of a backlog that is drained")
	fs.IntVar(&o.drainRounds, "drain-rounds", 3, "rounds of each drain")
	fs.IntVar(&o.pending, "pending", 1_000_000, "events of the largest backlog that is drained, once; 0: none")
	fs.IntVar(&o.latencyRounds, "latency-rounds", 5, "rounds of the open loops and of the lone events")
	fs.DurationVar(&o.openFor, "open-for", 2*time.Second, "length of each open loop")

	fs.IntVar(&o.growthRounds, "growth-rounds", 5, "rounds of each growth figure")
	fs.IntVar(&o.bounds.body, "max-body", 2_000_000, "largest body of the growth figures, in bytes")
	fs.IntVar(&o.bounds.connections, "max-connections", 10_000, "most connections")
	fs.IntVar(&o.bounds.backlog, "max-backlog", 1_000_000, "largest backlog")
	fs.IntVar(&o.bounds.sources, "max-sources", 1000, "most sources")
	fs.IntVar(&o.bounds.stream, "max-stream", 5_000_000, "largest stream, in messages")
	fs.IntVar(&o.bounds.minutes, "minutes", 10, "minutes for which memory is watched at full speed")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.command = fs.Arg(0); fs.NArg() != 1 || !slices.Contains(commands, o.command) {
		return o, fmt.Errorf("say after the flags what to run: %s", strings.Join(commands, ", "))
	}
	o.fill(*names, *parts)
	if err := o.check(); err != nil {
		return o, err
	}
	var err error
	o.table.connections, err = ints(*connections)
	return o, err
}

// fill sets what the flags leave out; that depends on the command.
func (o *options) fill(names, parts string) {
	full := o.command == "full"
	if !full {
		parts = "table"
	}
	if names == "" {
		names = "floor,naive,journal,stream"
		if full {
			names = strings.Join(allNames(), ",")
		}
	}
	if o.table.budget == 0 {
		o.table.budget = 140 * time.Second
		if full {
			o.table.budget = 20 * time.Minute
		}
	}
	o.table.names, o.parts = strings.Split(names, ","), strings.Split(parts, ",")
}

// check reports a part or a contestant that does not exist, and a table that does not begin with the floor.
func (o *options) check() error {
	for _, p := range o.parts {
		if !slices.Contains(allParts, p) {
			return fmt.Errorf("-parts: there is no %q", p)
		}
	}
	for _, n := range o.table.names {
		if !slices.Contains(allNames(), n) {
			return fmt.Errorf("-contestants: there is no %q", n)
		}
	}
	if o.table.names[0] != floorName {
		return errors.New("-contestants: floor comes first, since all others are divided by it")
	}
	return nil
}

func ints(list string) ([]int, error) {
	var out []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (o options) has(part string) bool { return slices.Contains(o.parts, part) }

// open makes the benchmark of the options.
func (o options) open(ctx context.Context) (*bench, error) { return newBench(ctx, o.root, o.tmp) }
