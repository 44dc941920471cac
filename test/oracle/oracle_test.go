package oracle

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestOracle: an oracle that never says no proves nothing.
func TestOracle(t *testing.T) {
	// a is answered before b is sent; c and d overlap; e is an array; f is never
	// answered, nor is the array g; h is refused, i is in doubt.
	history := func() *Oracle {
		o := New()
		o.send("a").answer(http.StatusOK)
		o.send("b").answer(http.StatusOK)
		c, d := o.send("c"), o.send("d")
		d.answer(http.StatusOK)
		c.answer(http.StatusOK)
		o.send("e1", "e2").answer(http.StatusOK)
		o.send("f")
		o.send("g1", "g2")
		o.send("h").answer(http.StatusServiceUnavailable)
		o.send("i").answer(http.StatusGatewayTimeout)
		return o
	}
	for _, c := range []struct{ name, stream, want string }{
		{"kept", "a b c d e1 e2", ""},
		{"overlapping-either-way", "a b d c e1 e2", ""},
		{"unanswered-there", "a b c d e1 e2 f", ""},
		{"unanswered-among-others", "a b c d e1 e2 f g1 g2 i", ""},
		{"lost", "b c d e1 e2", "lost: a"},
		{"lost-part-of-an-array", "a b c d e1", "lost: e2"},
		{"double", "a b a c d e1 e2", "double: a"},
		{"double-unanswered", "a b c d e1 e2 f f", "double: f"},
		{"torn", "a b c d e1 e2 g2", "torn: of the 2 events from g1"},
		{"refused", "a b c d e1 e2 h", "refused: h"},
		{"unknown", "a b c d e1 e2 z", "unknown: z"},
		{"order", "b a c d e1 e2", "order: b comes before a"},
		{"order-far", "a c d e1 e2 b", "order: e2 comes before b"},
		{"order-inside", "a b c d e2 e1", "order: e2 comes before e1"},
		{"order-of-unanswered", "f a b c d e1 e2", "order: f comes before a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := history().Check(strings.Fields(c.stream))
			if c.want == "" && len(got) > 0 {
				t.Errorf("got %q, want nothing", got)
			}
			if c.want != "" && !slices.ContainsFunc(got, func(w string) bool { return strings.HasPrefix(w, c.want) }) {
				t.Errorf("got %q, want %q among it", got, c.want)
			}
		})
	}
}
