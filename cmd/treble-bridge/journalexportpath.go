package main

import (
	"bytes"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// pathFinder makes deliveries of stored events again. The path that they came to
// is not kept with them, and a path may have decided what they are; so it looks
// for one that gives the same events.
type pathFinder struct {
	sources map[string]pathsOfSource
}

type pathsOfSource struct {
	parser     delivery.Parser
	kinds      []schema.Kind // that the source takes; empty: all
	candidates []string
}

// pathNames are the names by which a path, as on-<name>, decides a kind; the
// first names none.
var pathNames = []string{
	"event", "read", "delivered", "response", "timeout", "optout", "condition", "conversation-closed",
	"conversation-closed-hubspot", "hsm-status", "deployment-failure",
}

func newPathFinder(c *config.Config) (*pathFinder, error) {
	f := &pathFinder{sources: map[string]pathsOfSource{}}
	for _, s := range c.EffectiveSources() {
		p, err := parserOf(c, s)
		if err != nil {
			return nil, err
		}
		// What it does not take any more is what it was, all the same.
		kinds := p.Kinds
		p.Kinds = nil
		f.sources[s.Name] = pathsOfSource{p, kinds, candidates(s)}
	}
	return f, nil
}

// candidates are paths of a source: those that it names, then one for each kind
// that an open path can name.
func candidates(s ingress.SourceConfig) []string {
	var named, open []string
	for _, p := range s.Paths {
		prefix, ok := strings.CutSuffix(p, "*")
		if !ok {
			named = append(named, p)
			continue
		}
		for _, name := range pathNames {
			open = append(open, openPath(prefix, "on-"+name))
		}
	}
	return append(named, open...)
}

// openPath completes a prefix so that its last segment is what is wanted, if it
// can be, and else anything.
func openPath(prefix, segment string) string {
	dir, begun := prefix[:strings.LastIndexByte(prefix, '/')+1], prefix[strings.LastIndexByte(prefix, '/')+1:]
	if strings.HasPrefix(segment, begun) {
		return dir + segment
	}
	return prefix + "event"
}

// line returns the delivery of the events of one request, and, if no path gives
// the same events again, what will be different.
func (f *pathFinder) line(events []schema.Event) (deliveryLine, string) {
	first := events[0]
	d := deliveryLine{Received: first.ReceivedTime, Source: first.Source, Test: first.TestRun}
	s, ok := f.sources[first.Source]
	if !ok {
		d.Path, d.Body = ingress.DefaultSource().Paths[0], bodyOf(events, len(events) > 1)
		return d, "its source is not configured here: " + first.Source + "; name the configuration of the bridge with --config"
	}
	// An event may have come alone, or as the only one of an array, which gives it
	// another id.
	bodies := [][]byte{bodyOf(events, true)}
	if len(events) == 1 {
		bodies = [][]byte{bodyOf(events, false), bodies[0]}
	}
	best := different
	for _, body := range bodies {
		for _, path := range s.candidates {
			how := compare(s.parser.Parse(body, delivery.Origin{Source: d.Source, Path: path, Received: d.Received, TestRun: d.Test}), events)
			if how < best || d.Path == "" {
				d.Path, d.Body, best = path, body, how
			}
			if best == same {
				return d, s.forbidden(events)
			}
		}
	}
	if best == warned {
		return d, s.forbidden(events)
	}
	return d, "no path of its source gives the same events with this configuration: kinds or ids will differ"
}

// forbidden is a note if the source does not take such events any more.
func (s pathsOfSource) forbidden(events []schema.Event) string {
	for _, e := range events {
		if len(s.kinds) > 0 && !slices.Contains(s.kinds, e.Kind) {
			return "its source does not take " + string(e.Kind) + " any more, and will refuse it"
		}
	}
	return ""
}

// How much a delivery that is parsed again is like the events that it should give.
type likeness int

const (
	same      likeness = iota
	warned             // but for its warnings
	different          // in kind or id, or refused
)

func compare(d delivery.Delivery, want []schema.Event) likeness {
	if len(d.Events) != len(want) {
		return different
	}
	how := same
	for i, e := range d.Events {
		w := want[i]
		switch {
		case e.Kind != w.Kind, e.DedupeKey != w.DedupeKey, e.DedupeKey != schema.DedupeNone && e.ID != w.ID:
			return different
		case !slices.Equal(e.Data.Base().Warnings, warnings(w)):
			how = warned
		}
	}
	return how
}

// warnings are those of parsing: the others say that the event was too large for
// copies of what is in it.
func warnings(e schema.Event) []string {
	all := e.Data.Base().Warnings
	for len(all) > 0 && strings.HasSuffix(all[len(all)-1], ": left out, since the event is too large; see raw") {
		all = all[:len(all)-1]
	}
	return all
}

// bodyOf puts together what was received.
func bodyOf(events []schema.Event, array bool) []byte {
	var values [][]byte
	for _, e := range events {
		value := []byte(e.Data.Base().Raw)
		if exact := e.Data.Base().RawBase64; len(exact) > 0 {
			value = exact
		}
		values = append(values, value)
	}
	body := bytes.Join(values, []byte(","))
	if array {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	return body
}
