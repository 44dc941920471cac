package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/test/bench/plot"
	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// merge adds what an earlier run has measured and this one has not, so that one
// part can be measured anew.
func (rec *record) merge(earlier record) {
	if len(rec.Table) == 0 {
		rec.Table = earlier.Table
	}
	if len(rec.Half) == 0 {
		rec.Half, rec.Lone = earlier.Half, earlier.Lone
	}
	if len(rec.Drains) == 0 {
		rec.Drains = earlier.Drains
	}
	for _, g := range earlier.Growth {
		if !slices.ContainsFunc(rec.Growth, func(h growth) bool { return h.Key == g.Key }) {
			rec.Growth = append(rec.Growth, g)
		}
	}
}

// write writes the record, the document and its figures.
func (rec *record) write(o options) error {
	if earlier, err := readRecord(o.recorded); err == nil {
		rec.merge(earlier)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := writeJSON(o.recorded, rec); err != nil {
		return err
	}
	figures := filepath.Join(o.docs, "benchmarks")
	if err := os.MkdirAll(figures, 0o755); err != nil {
		return err
	}
	for _, g := range rec.Growth {
		if err := os.WriteFile(filepath.Join(figures, g.Key+".svg"), []byte(g.figure().SVG()), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(o.docs, "benchmarks.md"), []byte(rec.document(o)), 0o644)
}

func (g growth) figure() plot.Figure {
	f := plot.Figure{Title: g.Title, X: g.X, Y: g.Y, Log: g.Log}
	for _, p := range g.Points {
		if !slices.Contains(f.Steps, p.X) {
			f.Steps = append(f.Steps, p.X)
		}
	}
	slices.Sort(f.Steps)
	for _, p := range g.Points {
		i := slices.IndexFunc(f.Series, func(s plot.Series) bool { return s.Name == p.Series })
		if i < 0 {
			i = len(f.Series)
			f.Series = append(f.Series, plot.Series{Name: p.Series})
		}
		f.Series[i].Points = append(f.Series[i].Points, plot.Point{Step: slices.Index(f.Steps, p.X), Y: p.Y.Median, Min: p.Y.Min, Max: p.Y.Max})
	}
	return f
}

// document is docs/benchmarks.md.
func (rec *record) document(o options) string {
	var d strings.Builder
	d.WriteString("# Benchmarks\n\n<!-- Written by make bench; edit test/bench/report.go instead. -->\n\n")
	d.WriteString(method)
	d.WriteString("\n## The contestants\n\n| Name | What it is |\n|---|---|\n")
	for _, c := range contestants {
		fmt.Fprintf(&d, "| %s | %s |\n", c.name, c.says)
	}
	d.WriteString("\n## The machine\n\n")
	d.WriteString(rec.Machine.sentence())
	if len(rec.Table) > 0 {
		fmt.Fprintf(&d, "\n## Throughput, latency and CPU\n\n%s\n", tableText)
		markdown(&d, ratioLines(rec.Table))
		fmt.Fprintf(&d, "\n%s\n", absoluteText)
		markdown(&d, absoluteLines(rec.Table))
	}
	if len(rec.Half) > 0 {
		fmt.Fprintf(&d, "\n## Latency at half of the saturation\n\n%s\n", halfText)
		markdown(&d, halfLines(rec.Half))
	}
	if len(rec.Lone) > 0 {
		fmt.Fprintf(&d, "\n## One event alone\n\n%s\n", loneText)
		markdown(&d, loneLines(rec.Lone))
	}
	if len(rec.Drains) > 0 {
		fmt.Fprintf(&d, "\n## Draining a backlog\n\n%s\n", drainText)
		markdown(&d, drainLines(rec.Drains))
	}
	if len(rec.Growth) > 0 {
		fmt.Fprintf(&d, "\n## How it grows\n\n%s", growthText)
	}
	for _, g := range rec.Growth {
		fmt.Fprintf(&d, "\n### %s\n\n![%s](benchmarks/%s.svg)\n\n", g.Title, g.Title, g.Key)
		for _, note := range g.Notes {
			fmt.Fprintf(&d, "%s\n\n", note)
		}
		markdown(&d, g.lines())
	}
	return d.String()
}

func (m machine) sentence() string {
	return fmt.Sprintf(`%s, %d cores, %d GB; %s; %s; nats-server %s; treble-bridge at commit %s; %s. An append of 4 KiB with
its flush took %s ms (median). Absolute numbers are this machine's, with the load generator on the same cores; the ratios tell more.
`, m.Processor, m.Cores, m.MemoryGB, m.OS, m.Go, m.NATS, m.Bridge, m.At.Format("2006-01-02"), ratio.Digits(m.Flush))
}

func markdown(d *strings.Builder, lines [][]string) {
	for i, l := range lines {
		d.WriteString("| " + strings.Join(l, " | ") + " |\n")
		if i == 0 {
			d.WriteString(strings.Repeat("|---", len(l)) + "|\n")
		}
	}
}

func ratioLines(rows []row) [][]string {
	header := []string{"", "connections"}
	for _, m := range measures {
		header = append(header, m.title)
	}
	lines := [][]string{append(header, "rounds", "others", "answered = stored")}
	for _, r := range rows {
		if r.Contestant == floorName {
			continue
		}
		line := []string{r.Contestant, fmt.Sprint(r.Connections)}
		for _, m := range measures {
			line = append(line, r.Ratios[m.key].String())
		}
		lines = append(lines, append(line, fmt.Sprint(r.Rounds), fmt.Sprintf("%.0f %%", 100*r.Others.Median), r.verdict()))
	}
	return lines
}

func absoluteLines(rows []row) [][]string {
	lines := [][]string{{"", "connections", "requests/s", "stored/s", "p50, ms", "p99, ms", "p99.9, ms", "CPU, ms per 1,000", "its NATS", "peak memory, MB"}}
	for _, r := range rows {
		a := r.Absolute
		nats := "–" // it has none, or it is inside
		if a["nats"] > 0 {
			nats = ratio.Digits(a["nats"])
		}
		lines = append(lines, []string{
			r.Contestant, fmt.Sprint(r.Connections), ratio.Digits(a["rate"]), ratio.Digits(a["stored"]), ratio.Digits(a["p50"] / 1000),
			ratio.Digits(a["p99"] / 1000), ratio.Digits(a["p999"] / 1000), ratio.Digits(a["cpu"]), nats, ratio.Digits(a["memory"]),
		})
	}
	return lines
}
