package redact

import (
	"bytes"
	"testing"
)

// TestHarmlessLines: however a line comes, nothing in it can steer a terminal, and it says the same.
func TestHarmlessLines(t *testing.T) {
	const in = "{\"a\":\"\u009b31mred\u202e\"}\n{\"b\":1}\n"
	const want = `{"a":"\u009b31mred\u202e"}` + "\n" + `{"b":1}` + "\n"
	for size := 1; size <= len(in); size++ {
		var out bytes.Buffer
		w := &harmlessLines{out: &out}
		for rest := []byte(in); len(rest) > 0; {
			n := min(size, len(rest))
			if wrote, err := w.Write(rest[:n]); err != nil || wrote != n {
				t.Fatalf("got %d, %v; want %d", wrote, err, n)
			}
			rest = rest[n:]
		}
		if out.String() != want {
			t.Fatalf("in pieces of %d: got %q, want %q", size, out.String(), want)
		}
	}
}

// TestLinesElsewhere: in a pipe or file every byte stays.
func TestLinesElsewhere(t *testing.T) {
	var out bytes.Buffer
	if w := Lines(&out); w != &out {
		t.Errorf("got %T, want what was given", w)
	}
}
