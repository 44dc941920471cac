package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// growth is a measurement over a growing parameter: one figure and one table.
type growth struct {
	Key    string   `json:"key"`   // name of its file
	Title  string   `json:"title"` // what is to be seen
	X      string   `json:"x"`
	Y      string   `json:"y"` // of the figure
	Log    bool     `json:"log,omitempty"`
	Points []point  `json:"points"`
	Notes  []string `json:"notes,omitempty"` // what was left out, or went wrong

	samples map[pointKey][]sample
	keys    []pointKey // in the order of their first sample
}

// point is a series at one place of the x axis, over the rounds.
type point struct {
	Series string             `json:"series"`
	X      int                `json:"x"`
	Y      ratio.Spread       `json:"y"`
	Beside map[string]float64 `json:"beside,omitempty"` // medians of what else was measured, for the table
}

type pointKey struct {
	series string
	x      int
}

type sample struct {
	y      float64
	beside map[string]float64
}

func (g *growth) add(series string, x int, y float64, beside map[string]float64) {
	if g.samples == nil {
		g.samples = map[pointKey][]sample{}
	}
	k := pointKey{series, x}
	if _, ok := g.samples[k]; !ok {
		g.keys = append(g.keys, k)
	}
	g.samples[k] = append(g.samples[k], sample{y, beside})
}

// note says once what a reader of the figure must know.
func (g *growth) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(g.Notes, note) {
		g.Notes = append(g.Notes, note)
	}
}

// finish makes points of the samples, series by series.
func (g *growth) finish() growth {
	for _, series := range g.series() {
		for _, k := range g.keys {
			if k.series != series {
				continue
			}
			p := point{Series: k.series, X: k.x, Beside: map[string]float64{}}
			var ys []float64
			beside := map[string][]float64{}
			for _, s := range g.samples[k] {
				ys = append(ys, s.y)
				for name, v := range s.beside {
					beside[name] = append(beside[name], v)
				}
			}
			p.Y = ratio.Of(ys)
			for name, vs := range beside {
				p.Beside[name] = ratio.Of(vs).Median
			}
			g.Points = append(g.Points, p)
		}
	}
	return *g
}

// series are the names of the series, in the order in which they came.
func (g *growth) series() []string {
	var names []string
	for _, k := range g.keys {
		if !slices.Contains(names, k.series) {
			names = append(names, k.series)
		}
	}
	return names
}

// lines are the points as a table.
func (g growth) lines() [][]string {
	var beside []string
	for _, p := range g.Points {
		for name := range p.Beside {
			if name != g.Y && !slices.Contains(beside, name) {
				beside = append(beside, name)
			}
		}
	}
	slices.Sort(beside)
	lines := [][]string{append([]string{"", g.X, g.Y}, beside...)}
	for _, p := range g.Points {
		line := []string{p.Series, fmt.Sprint(p.X), p.Y.String()}
		for _, name := range beside {
			v, ok := p.Beside[name]
			if !ok {
				line = append(line, "")
				continue
			}
			line = append(line, ratio.Digits(v))
		}
		lines = append(lines, line)
	}
	return lines
}

// growth measures every figure.
func (b *bench) growth(ctx context.Context, o options, body load.Body) ([]growth, error) {
	var all []growth
	for _, measure := range []func(context.Context, options, load.Body) ([]growth, error){
		b.growBody, b.growConnections, b.growSources, b.growBacklog, b.growStream,
	} {
		gs, err := measure(ctx, o, body)
		all = append(all, gs...)
		if err != nil {
			return all, err
		}
		for _, g := range gs {
			b.say("growth: %s", g.Title)
		}
	}
	return all, nil
}

// upTo are the steps that a bound allows, and the bound itself as the last one.
func upTo(bound int, steps ...int) []int {
	out := slices.DeleteFunc(slices.Clone(steps), func(n int) bool { return n >= bound })
	return append(out, bound)
}
