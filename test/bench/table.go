package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// measure is a figure of a cell that is divided by the floor's.
type measure struct {
	key    string
	title  string
	better int // 1: more is better, -1: less is
	of     func(cell) float64
}

var measures = []measure{
	{"rate", "requests/s", 1, func(c cell) float64 { return c.Rate }},
	{"p50", "p50", -1, func(c cell) float64 { return c.P50 }},
	{"p99", "p99", -1, func(c cell) float64 { return c.P99 }},
	{"p999", "p99.9", -1, func(c cell) float64 { return c.P999 }},
	{"cpu", "CPU", -1, func(c cell) float64 { return c.CPU }},
}

// row is the result of a contestant with a number of connections, over all rounds.
type row struct {
	Contestant  string                  `json:"contestant"`
	Connections int                     `json:"connections"`
	Rounds      int                     `json:"rounds"`
	Ratios      map[string]ratio.Spread `json:"ratios"`   // to the floor in the same round
	Absolute    map[string]float64      `json:"absolute"` // medians: what they were on that machine
	Others      ratio.Spread            `json:"others"`   // share of the processors that went to others meanwhile
	counts
}

// rowsOf makes the rows of the main table, in the order of the contestants.
func rowsOf(cells []cell) []row {
	var rows []row
	for _, name := range namesOf(cells) {
		for _, n := range connectionsOf(cells) {
			mine := matching(cells, name, n)
			floor := matching(cells, floorName, n)
			if len(mine) > 0 && len(floor) > 0 {
				rows = append(rows, rowOf(mine, floor))
			}
		}
	}
	return rows
}

func rowOf(mine, floor []cell) row {
	r := row{
		Contestant: mine[0].Contestant, Connections: mine[0].Connections, Rounds: len(mine),
		Ratios: map[string]ratio.Spread{}, Absolute: map[string]float64{},
	}
	for _, m := range measures {
		var ratios, values []float64
		for _, c := range mine {
			values = append(values, m.of(c))
			i := slices.IndexFunc(floor, func(f cell) bool { return f.Round == c.Round })
			if i >= 0 && m.of(floor[i]) > 0 {
				ratios = append(ratios, m.of(c)/m.of(floor[i]))
			}
		}
		if len(ratios) > 0 {
			r.Ratios[m.key] = ratio.Of(ratios)
		}
		r.Absolute[m.key] = ratio.Of(values).Median
	}
	for key, of := range map[string]func(cell) float64{
		"stored": func(c cell) float64 { return c.StoredRate },
		"nats":   func(c cell) float64 { return c.NATSCPU },
		"memory": func(c cell) float64 { return c.Memory },
	} {
		var values []float64
		for _, c := range mine {
			values = append(values, of(c))
		}
		r.Absolute[key] = ratio.Of(values).Median
	}
	var others []float64
	for _, c := range slices.Concat(mine, floor) {
		others = append(others, c.Others)
	}
	r.Others = ratio.Of(others)
	for _, c := range mine {
		r.counts.add(c.counts)
	}
	return r
}

func matching(cells []cell, name string, connections int) []cell {
	var out []cell
	for _, c := range cells {
		if c.Contestant == name && c.Connections == connections {
			out = append(out, c)
		}
	}
	return out
}

func namesOf(cells []cell) []string {
	var names []string
	for _, c := range contestants {
		if slices.ContainsFunc(cells, func(x cell) bool { return x.Contestant == c.name }) {
			names = append(names, c.name)
		}
	}
	return names
}

func connectionsOf(cells []cell) []int {
	var out []int
	for _, c := range cells {
		if !slices.Contains(out, c.Connections) {
			out = append(out, c.Connections)
		}
	}
	slices.Sort(out)
	return out
}

// printTable prints the rows for a terminal.
func printTable(w io.Writer, rows []row) {
	lines := [][]string{{"contestant", "conns", "requests/s ×floor", "p50 ×floor", "p99 ×floor", "p99.9 ×floor", "CPU ×floor",
		"requests/s", "stored/s", "p99 ms", "CPU ms/1000", "NATS ms/1000", "peak MB", "others", "answered = stored"}}
	for _, r := range rows {
		line := []string{r.Contestant, fmt.Sprint(r.Connections)}
		for _, m := range measures {
			s, ok := r.Ratios[m.key]
			switch {
			case !ok:
				line = append(line, "–")
			case r.Contestant == floorName:
				line = append(line, "1")
			default:
				line = append(line, s.String())
			}
		}
		line = append(line, ratio.Digits(r.Absolute["rate"]), ratio.Digits(r.Absolute["stored"]), ratio.Digits(r.Absolute["p99"]/1000),
			ratio.Digits(r.Absolute["cpu"]), ratio.Digits(r.Absolute["nats"]), ratio.Digits(r.Absolute["memory"]), fmt.Sprintf("%.0f%%", 100*r.Others.Median), r.verdict())
		lines = append(lines, line)
	}
	printAligned(w, lines)
}

// verdict reports whether the stream held what was answered.
func (r row) verdict() string {
	switch {
	case r.wrong():
		return fmt.Sprintf("NO: %d missing, %d extra, %d twice", r.Missing, r.Extra, r.Twice)
	case r.Contestant == floorName:
		return "keeps none"
	case r.Refused+r.Unknown > 0:
		return fmt.Sprintf("yes: %d; %d refused, %d unknown", r.Answered, r.Refused, r.Unknown)
	}
	return fmt.Sprintf("yes: %d", r.Answered)
}

func printAligned(w io.Writer, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, s := range l {
			widths[i] = max(widths[i], len([]rune(s)))
		}
	}
	for _, l := range lines {
		var b strings.Builder
		for i, s := range l {
			b.WriteString(s + strings.Repeat(" ", widths[i]-len([]rune(s))+2))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
