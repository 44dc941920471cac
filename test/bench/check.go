package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// errWorse is returned when the bridge got worse by more than the noise.
var errWorse = errors.New("worse than recorded by more than the noise of both, twice")

// gated are the measures that a check holds; the others are too noisy in half a
// second to say anything.
var gated = []string{"rate", "p99", "cpu"}

// finding is a figure of a check, beside the recorded one.
type finding struct {
	row     row
	measure measure
	was     ratio.Spread
	verdict ratio.Verdict
}

// check measures the main table and compares it with the recorded one. What
// looks worse is measured once more before it counts.
func check(ctx context.Context, b *bench, o options, w io.Writer) (record, error) {
	recorded, err := readRecord(o.recorded)
	if err != nil {
		return record{}, err
	}
	now := machineOf(ctx, b)
	if m := recorded.Machine; m.Processor != now.Processor || m.Cores != now.Cores {
		b.say("recorded on another machine (%s, %d cores): the ratios may differ for that alone", m.Processor, m.Cores)
	}
	rec, err := full(ctx, b, o)
	if err != nil {
		return rec, err
	}
	found := compare(recorded.Table, rec.Table)
	if len(found) == 0 {
		return rec, fmt.Errorf("%s has nothing to compare with", o.recorded)
	}
	printFindings(w, found)
	if !slices.ContainsFunc(found, func(f finding) bool { return f.measure.key == "rate" }) {
		fmt.Fprintln(w, "\nThroughput and latency are not compared: others use this machine more, or less, than when it was recorded.")
	}
	worse := worseOf(found)
	if len(worse) == 0 {
		return rec, nil
	}
	b.say("%d look worse: measuring them again", len(worse))
	o.table.names, o.table.connections = []string{floorName}, nil
	for _, f := range worse {
		if !slices.Contains(o.table.names, f.row.Contestant) {
			o.table.names = append(o.table.names, f.row.Contestant)
		}
		if !slices.Contains(o.table.connections, f.row.Connections) {
			o.table.connections = append(o.table.connections, f.row.Connections)
		}
	}
	again, err := full(ctx, b, o)
	if err != nil {
		return rec, err
	}
	var still []finding
	for _, f := range worseOf(compare(recorded.Table, again.Table)) {
		if slices.ContainsFunc(worse, func(g finding) bool { return g.same(f) }) {
			still = append(still, f)
		}
	}
	if len(still) == 0 {
		fmt.Fprintln(w, "\nNot so the second time: noise.")
		return rec, nil
	}
	fmt.Fprintln(w, "\nThe second time:")
	printFindings(w, still)
	return rec, errWorse
}

// alike bounds the difference of the processor share that others took
// between two measurements for their throughput and latency to be comparable: of
// processors that others use, the ratios are different ones.
const alike = 0.15

// compare holds the gated numbers of the bridge against the recorded ones, but
// for what is not comparable because of others. CPU per event suffers little from
// them.
func compare(recorded, now []row) []finding {
	var out []finding
	for _, r := range now {
		i := slices.IndexFunc(recorded, func(was row) bool { return was.Contestant == r.Contestant && was.Connections == r.Connections })
		if i < 0 || !ours(r.Contestant) {
			continue
		}
		for _, m := range measures {
			disturbed := m.key != "cpu" && math.Abs(r.Others.Median-recorded[i].Others.Median) > alike
			was, ok := recorded[i].Ratios[m.key]
			is, isOK := r.Ratios[m.key]
			if ok && isOK && !disturbed && slices.Contains(gated, m.key) {
				out = append(out, finding{r, m, was, ratio.Compare(was, is, m.better > 0)})
			}
		}
	}
	return out
}

// ours reports whether a contestant is the bridge: that others got slower is no
// failure.
func ours(name string) bool { return slices.Contains([]string{"journal", "stream", "embedded"}, name) }

func (f finding) same(g finding) bool {
	return f.row.Contestant == g.row.Contestant && f.row.Connections == g.row.Connections && f.measure.key == g.measure.key
}

func worseOf(found []finding) []finding {
	return slices.DeleteFunc(slices.Clone(found), func(f finding) bool { return f.verdict != ratio.Worse })
}

func printFindings(w io.Writer, found []finding) {
	lines := [][]string{{"contestant", "conns", "×floor", "recorded", "now", ""}}
	for _, f := range found {
		lines = append(lines, []string{
			f.row.Contestant, fmt.Sprint(f.row.Connections), f.measure.title, f.was.String(), f.row.Ratios[f.measure.key].String(), f.verdict.String(),
		})
	}
	fmt.Fprintln(w)
	printAligned(w, lines)
}

func readRecord(path string) (record, error) {
	var rec record
	b, err := os.ReadFile(path)
	if err != nil {
		return rec, fmt.Errorf("%w; make bench records one", err)
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}
