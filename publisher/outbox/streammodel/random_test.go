package streammodel_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Runs of the random conformance test; CONFORMANCE_SEEDS asks for another number.
const (
	randomSeeds = 6
	randomSteps = 80
)

// steps makes a script of any steps. The ids come from a small set, so that
// repetitions are frequent; nothing depends on the time that a real server takes.
func steps(seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 1))
	word := func() string {
		id := string(rune('a' + r.IntN(26)))
		switch r.IntN(20) {
		case 0:
			return "-"
		case 1:
			return "other/" + id
		case 2:
			return "1500:" + id
		case 3, 4, 5:
			return "y/" + id
		}
		return "x/" + id
	}
	all := []string{"backup"}
	for len(all) < randomSteps {
		switch n := r.IntN(100); {
		case n < 35:
			all = append(all, "publish "+word())
		case n < 60:
			words := make([]string, 2+r.IntN(4))
			for i := range words {
				words[i] = word()
			}
			if r.IntN(2) == 0 {
				all = append(all, "publish "+strings.Join(words, " "))
				continue
			}
			for i, w := range words {
				if strings.Contains(w, "/") {
					words[i] = "x" + w[strings.Index(w, "/"):] // that nobody takes it, the server says before it says the rest
				}
			}
			all = append(all, "fast "+strings.Join(words, " "))
		case n < 65:
			all = append(all, fmt.Sprintf("delete %d", 1+r.IntN(20)))
		case n < 67:
			all = append(all, fmt.Sprintf("purge %d", r.IntN(20)))
		case n < 69:
			all = append(all, "config "+[]string{"batches=yes", "batches=no", "fast=yes", "fast=no"}[r.IntN(4)])
		case n < 72:
			all = append(all, fmt.Sprintf("config max=%d old=%s", r.IntN(3)*10, []string{"yes", "no"}[r.IntN(2)]))
		case n < 74:
			all = append(all, "config per-subject="+[]string{"0", "5"}[r.IntN(2)])
		case n < 76:
			all = append(all, "config subjects="+[]string{"t.>", "t.x"}[r.IntN(2)])
		case n < 78:
			all = append(all, "config max-size="+[]string{"0", "1000"}[r.IntN(2)])
		case n < 80:
			all = append(all, []string{"restart", "backup", "restore", "recreate"}[r.IntN(4)])
		case n < 85:
			all = append(all, fmt.Sprintf("id %d", 1+r.IntN(30)))
		case n < 92:
			all = append(all, "ids")
		default:
			all = append(all, "info")
		}
	}
	return append(all, "info", "ids")
}

// TestRandomConformance runs the same steps against both and compares what is seen.
func TestRandomConformance(t *testing.T) {
	seeds := randomSeeds
	if n, err := strconv.Atoi(os.Getenv("CONFORMANCE_SEEDS")); err == nil {
		seeds = n
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			model := &observer{t: t, config: defaults(), b: newModel(defaults())}
			real := &observer{t: t, config: defaults(), b: newReal(t, defaults())}
			var done []string
			for _, step := range steps(seed) {
				got, want := model.do(step), real.do(step)
				done = append(done, fmt.Sprintf("%s => %s", step, want))
				if got != want {
					t.Fatalf("seed %d: the model says %q, the server %q at the end of\n%s", seed, got, want, strings.Join(done, "\n"))
				}
			}
		})
	}
}
