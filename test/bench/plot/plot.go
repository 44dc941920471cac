// Package plot draws lines over steps as an SVG that can be read on a light and
// on a dark page.
package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Figure is a plot. The steps of X are drawn at equal distances: they are
// multiples of each other, and the first may be 0.
type Figure struct {
	Title  string
	X, Y   string // what the axes are, with units
	Log    bool   // y by powers of ten
	Steps  []int
	Series []Series
}

// Series is a line of a Figure.
type Series struct {
	Name   string
	Points []Point
}

// Point is a middle with its ends, at a step.
type Point struct {
	Step        int // index in Steps
	Y, Min, Max float64
}

// The size, and the room around the plot: below for the axis and the legend.
const (
	width, height            = 720, 420
	left, right, top, bottom = 84, 20, 44, 92
)

// grey is as far from white as from black, so that text stands out from both.
const grey = "#767676"

// colours are told apart in light and dark, and by most people who do not see
// all of them; the shape of the points tells too.
var colours = []string{"#0a7fc2", "#d1690a", "#2b9348", "#9a5fc4", "#b5484a"}

// SVG draws it.
func (f Figure) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui, sans-serif" font-size="13" fill="%s">`+"\n",
		width, height, width, height, grey)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(f.Title))
	text(&b, left, 24, "start", 15, f.Title)
	y := f.scale()
	f.axes(&b, y)
	for i, s := range f.Series {
		f.line(&b, y, i, s)
	}
	f.legend(&b)
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, x, y float64, anchor string, size int, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(s))
}

// x returns the position of a step, in pixels.
func (f Figure) x(step int) float64 {
	room := float64(width - left - right)
	return left + room*(float64(step)+0.5)/float64(max(1, len(f.Steps)))
}

// axes draws the lines of the y axis, the steps, and what they are.
func (f Figure) axes(b *strings.Builder, y scale) {
	for _, v := range y.ticks {
		at := y.at(v)
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.3"/>`+"\n", left, width-right, at, at, grey)
		text(b, left-8, at+4, "end", 12, Short(v))
	}
	for i, s := range f.Steps {
		text(b, f.x(i), height-bottom+20, "middle", 12, Short(float64(s)))
	}
	text(b, (left+width-right)/2, height-bottom+42, "middle", 13, f.X)
	fmt.Fprintf(b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, html.EscapeString(f.Y))
}

// line draws a series: from each least to each most a thin line, the middles
// joined.
func (f Figure) line(b *strings.Builder, y scale, i int, s Series) {
	colour := colours[i%len(colours)]
	var path []string
	for _, p := range s.Points {
		x := f.x(p.Step)
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.6"/>`+"\n", x, x, y.at(p.Min), y.at(p.Max), colour)
		path = append(path, fmt.Sprintf("%.1f,%.1f", x, y.at(p.Y)))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
	for _, p := range s.Points {
		mark(b, i, f.x(p.Step), y.at(p.Y))
	}
}

// mark draws a point of a series in its shape.
func mark(b *strings.Builder, i int, x, y float64) {
	colour := colours[i%len(colours)]
	switch i % 3 {
	case 0:
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x, y, colour)
	case 1:
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="8" height="8" fill="%s"/>`+"\n", x-4, y-4, colour)
	case 2:
		fmt.Fprintf(b, `<path d="M%.1f %.1fl5 9h-10z" fill="%s"/>`+"\n", x, y-5, colour)
	}
}

// legend names the series below the axis.
func (f Figure) legend(b *strings.Builder) {
	x, y := float64(left), float64(height-16)
	for i, s := range f.Series {
		mark(b, i, x, y-4)
		text(b, x+12, y, "start", 13, s.Name)
		x += 40 + 7*float64(len([]rune(s.Name)))
	}
}

// scale places values on the y axis.
type scale struct {
	log      bool
	min, max float64
	ticks    []float64
}

func (s scale) at(v float64) float64 {
	part := (v - s.min) / (s.max - s.min)
	if s.log {
		part = math.Log(max(v, s.min)/s.min) / math.Log(s.max/s.min)
	}
	return top + (1-part)*float64(height-top-bottom)
}

// scale returns a scale that holds all values: from zero, or from one power of ten to
// another.
func (f Figure) scale() scale {
	least, most := math.Inf(1), 0.0
	for _, s := range f.Series {
		for _, p := range s.Points {
			if p.Min > 0 {
				least = min(least, p.Min)
			}
			most = max(most, p.Max)
		}
	}
	if most <= 0 {
		least, most = 1, 1
	}
	s := scale{log: f.Log}
	if f.Log {
		s.min, s.max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most)))
		if s.max <= s.min {
			s.max = 10 * s.min
		}
		for v := s.min; v <= s.max*1.001; v *= 10 {
			s.ticks = append(s.ticks, v)
		}
		return s
	}
	step := niceStep(most / 5)
	s.max = step * math.Ceil(most/step)
	for i := 0; float64(i)*step <= s.max*1.001; i++ {
		s.ticks = append(s.ticks, float64(i)*step)
	}
	return s
}

// niceStep is 1, 2 or 5 times a power of ten, and not less than v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// Short writes a number as an axis does: 574, 2k, 1.5M.
func Short(v float64) string {
	for _, u := range []struct {
		by   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.by {
			return strconv.FormatFloat(v/u.by, 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
