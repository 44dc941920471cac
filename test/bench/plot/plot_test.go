package plot

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.05: "0.05", 574: "574", 2048: "2.05k", 10_000: "10k", 5e6: "5M", 1.5e9: "1.5G"} {
		if got := Short(v); got != want {
			t.Errorf("Short(%v): got %s, want %s", v, got, want)
		}
	}
}

func TestNiceStep(t *testing.T) {
	for v, want := range map[float64]float64{0.03: 0.05, 1: 1, 1.1: 2, 4: 5, 7: 10, 1234: 2000} {
		if got := niceStep(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("niceStep(%v): got %v, want %v", v, got, want)
		}
	}
}

// TestSVG: it is XML, names what it shows, and draws nothing outside.
func TestSVG(t *testing.T) {
	for name, log := range map[string]bool{"linear": false, "log": true} {
		t.Run(name, func(t *testing.T) {
			f := Figure{Title: "a < b", X: "steps", Y: "values", Log: log, Steps: []int{0, 10, 100}, Series: []Series{
				{"one", []Point{{0, 1, 0.5, 2}, {1, 10, 9, 11}, {2, 900, 800, 1000}}},
				{"zero", []Point{{0, 0, 0, 0}}},
			}}
			svg := f.SVG()
			for d := xml.NewDecoder(strings.NewReader(svg)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []string{"a &lt; b", ">steps<", ">values<", ">one<", ">zero<"} {
				if !strings.Contains(svg, want) {
					t.Errorf("%q is not in it", want)
				}
			}
			y := f.scale()
			for _, v := range []float64{0, 0.5, 1000} {
				if at := y.at(v); at < top-0.01 || at > height-bottom+0.01 {
					t.Errorf("%v is at %v, outside", v, at)
				}
			}
			if len(y.ticks) < 3 || len(y.ticks) > 8 {
				t.Errorf("got ticks %v", y.ticks)
			}
		})
	}
}

// TestSVGOfNothing: a figure without points is drawn too.
func TestSVGOfNothing(t *testing.T) {
	for _, log := range []bool{false, true} {
		if svg := (Figure{Log: log}).SVG(); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("got %s", svg)
		}
	}
}
