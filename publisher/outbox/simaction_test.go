package outbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// action is one step of a schedule: something that the bridge, its disk, the network
// or the server does. A failing schedule is printed as the text that parseSchedule reads.
type action struct {
	do string
	n  int           // how many, or which
	d  time.Duration // how long
}

func (a action) String() string {
	s := a.do
	if a.n != 0 {
		s += " " + strconv.Itoa(a.n)
	}
	if a.d != 0 {
		s += " " + a.d.String()
	}
	return s
}

// schedule is a run without its choices: the same schedule repeats it exactly.
type schedule []action

func (s schedule) String() string {
	words := make([]string, len(s))
	for i, a := range s {
		words[i] = a.String()
	}
	return strings.Join(words, "; ")
}

// parseSchedule reads what String writes.
func parseSchedule(text string) schedule {
	var s schedule
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		a := action{do: words[0]}
		for _, w := range words[1:] {
			if n, err := strconv.Atoi(w); err == nil {
				a.n = n
			} else if d, err := time.ParseDuration(w); err == nil {
				a.d = d
			} else {
				panic(fmt.Sprintf("schedule: %q", part))
			}
		}
		if _, ok := verbs[a.do]; !ok {
			panic(fmt.Sprintf("schedule: no action %q", a.do))
		}
		s = append(s, a)
	}
	return s
}

// verb is a kind of action.
type verb struct {
	weight int // in random schedules
	n      func(r *rand.Rand) int
	d      func(r *rand.Rand) time.Duration
	do     func(w *world, a action)
}

// upTo returns 1 to n.
func upTo(n int) func(*rand.Rand) int { return func(r *rand.Rand) int { return 1 + r.IntN(n) } }

// oneOf returns one of some durations.
func oneOf(ds ...time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return ds[r.IntN(len(ds))] }
}

// verbs are all kinds of actions; see the methods of world for what they do.
var verbs map[string]verb

// names are the keys of verbs in a fixed order.
var names []string

func add(name string, v verb) {
	if verbs == nil {
		verbs = map[string]verb{}
	}
	verbs[name] = v
	names = append(names, name)
}

func init() {
	// What senders do.
	add("accept", verb{weight: 30, n: upTo(3), do: (*world).accept})
	add("array", verb{weight: 6, n: upTo(5), do: (*world).acceptArray})
	add("repeat", verb{weight: 6, n: upTo(6), do: (*world).acceptAgain})
	add("odd", verb{weight: 3, n: upTo(2), do: (*world).acceptOdd})
	add("big", verb{weight: 2, do: (*world).acceptBig})
	add("direct", verb{weight: 3, do: (*world).acceptDirect})
	add("flood", verb{weight: 2, n: upTo(4), do: (*world).flood})
	add("forget", verb{weight: 2, n: upTo(8), do: (*world).forget})
	// What the bridge does, and its host.
	add("step", verb{weight: 20, n: upTo(6), do: (*world).steps})
	add("run", verb{weight: 14, d: oneOf(time.Second, 10*time.Second, time.Minute, 3*time.Minute, 8*time.Minute), do: (*world).run})
	add("stop", verb{weight: 2, do: (*world).stopBridge})
	add("kill", verb{weight: 4, do: (*world).kill})
	add("crash", verb{weight: 3, n: upTo(1000), do: (*world).crash})
	add("crash-in", verb{weight: 4, n: upTo(25), do: (*world).crashIn})
	add("start", verb{weight: 8, do: (*world).startBridge})
	add("prefix", verb{weight: 1, n: upTo(2), do: (*world).otherPrefix})
	add("stream", verb{weight: 1, do: (*world).otherStream})
	add("small", verb{weight: 1, do: (*world).smallJournal})
	add("eio", verb{weight: 1, n: upTo(40), do: (*world).unreadable})
	add("disk-full", verb{weight: 2, do: (*world).diskFull})
	add("disk-room", verb{weight: 2, do: (*world).diskRoom})
	add("wait", verb{weight: 3, d: oneOf(time.Second, time.Minute, 20*time.Minute, 36*time.Hour), do: (*world).wait})
	add("jump", verb{weight: 1, d: oneOf(3*time.Hour, -3*time.Hour, time.Minute, -time.Minute), do: (*world).jump})
	// What the network does.
	add("link-down", verb{weight: 4, do: (*world).linkDown})
	add("link-up", verb{weight: 6, do: (*world).linkUp})
	add("lost-request", verb{weight: 3, do: (*world).lostRequest})
	add("lost-ack", verb{weight: 5, do: (*world).lostAck})
	add("late", verb{weight: 4, d: oneOf(time.Millisecond, time.Second, 20*time.Second), do: (*world).late})
	add("cut", verb{weight: 2, do: (*world).cut})
	add("cut-ack", verb{weight: 2, do: (*world).cutAck})
	add("read-fails", verb{weight: 3, n: upTo(4), do: (*world).readFails})
	// What the server does, and its operator.
	add("server-stop", verb{weight: 3, do: (*world).serverStop})
	add("server-start", verb{weight: 6, do: (*world).serverStart})
	add("power-loss", verb{weight: 4, n: upTo(1000), do: (*world).powerLoss})
	add("cut-batch", verb{weight: 2, n: upTo(3), do: (*world).cutBatch})
	add("cut-inside", verb{weight: 3, n: upTo(4), do: (*world).cutInside})
	add("between", verb{weight: 3, n: upTo(3), do: (*world).between})
	add("elect", verb{weight: 2, do: (*world).elect})
	add("no-leader", verb{weight: 1, do: (*world).noLeader})
	add("fall-back", verb{weight: 4, n: upTo(12), do: (*world).fallBack})
	add("flush", verb{weight: 1, do: (*world).serverFlush})
	add("backup", verb{weight: 1, do: (*world).backup})
	add("restore", verb{weight: 1, do: (*world).restore})
	add("recreate", verb{weight: 1, do: (*world).recreate})
	add("drop", verb{weight: 1, do: (*world).dropStream})
	add("broken", verb{weight: 1, do: (*world).breakStore})
	add("purge", verb{weight: 1, n: upTo(3), do: (*world).purge})
	add("delete", verb{weight: 1, n: upTo(5), do: (*world).deleteOne})
	add("full", verb{weight: 1, do: (*world).full})
	add("narrow", verb{weight: 1, do: (*world).narrow})
	add("wide", verb{weight: 3, do: (*world).wide})
	add("no-batches", verb{weight: 1, do: (*world).noBatches})
	add("no-fast", verb{weight: 1, do: (*world).noFast})
	add("oldest-go", verb{weight: 1, do: (*world).oldestGo})
	add("others", verb{weight: 3, n: upTo(12), do: (*world).others})
}

// randomSchedule makes a schedule of some length, of the named kinds of actions. Without
// names each uses some kinds only, so that those that are rare by themselves meet
// often somewhere.
func randomSchedule(seed uint64, length int, only ...string) schedule {
	r := rand.New(rand.NewPCG(seed, 7))
	if len(only) == 0 {
		only = someKinds(r)
	}
	var kinds []string
	for _, name := range only {
		for range verbs[name].weight {
			kinds = append(kinds, name)
		}
	}
	s := make(schedule, length)
	for i := range s {
		name := kinds[r.IntN(len(kinds))]
		v := verbs[name]
		s[i].do = name
		if v.n != nil {
			s[i].n = v.n(r)
		}
		if v.d != nil {
			s[i].d = v.d(r)
		}
	}
	return s
}

// everyRun are the kinds without which nothing happens.
var everyRun = []string{"accept", "step", "run", "start", "link-up", "server-start"}

func someKinds(r *rand.Rand) []string {
	some := slices.Clone(everyRun)
	for _, name := range names {
		if !slices.Contains(everyRun, name) && r.IntN(3) == 0 {
			some = append(some, name)
		}
	}
	return some
}
