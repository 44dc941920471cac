package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Damaged entries are named, and the others are exported.
func TestJournalExportOfDamaged(t *testing.T) {
	p := serveOn(t, t.TempDir(), "--nats-url", away)
	p.send(t, "message.read", "--count", "20")
	p.kill(t)
	flipEntry(t, p.dir, 10)
	file := filepath.Join(t.TempDir(), "pending of a host.ndjson")
	out, errs := p.ops(t, exitFailed, "journal", "export", "--to", file)
	if !strings.Contains(out, "exported 19 events in 19 deliveries") || !strings.Contains(out, "send --file '"+file+"'") ||
		!strings.Contains(errs, "entries 10 to 10 are lost") || !strings.Contains(errs, "1 entry is not exported: damaged") {
		t.Errorf("%s%s", out, errs)
	}
	// They are tests, as they were.
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), `"test":"send-`) != 19 {
		t.Errorf("%v, %s", err, text)
	}
	if _, errs := p.ops(t, exitFailed, "journal", "export", "--to", file); !strings.Contains(errs, "exists") {
		t.Errorf("%s", errs)
	}
	// To standard output, with the summary apart.
	out, errs = p.ops(t, exitFailed, "journal", "export", "--json")
	var sum journalExport
	if err := json.Unmarshal([]byte(strings.SplitAfter(errs, "\n")[1]), &sum); err != nil || sum.Deliveries != 19 || sum.Damaged != 1 || strings.Count(out, "\n") != 19 {
		t.Errorf("%v, %s", err, errs)
	}
}

func TestJournalExportOfNothing(t *testing.T) {
	dir := t.TempDir()
	if code, _, errs := command(t.Context(), "", "journal", "export", "--data-dir", dir); code != exitFailed || !strings.Contains(errs, "there is no journal") {
		t.Errorf("exit %d, %s", code, errs)
	}
	p := serveOn(t, dir)
	p.send(t, "message.read")
	eventually(t, "it is published", func() bool { return p.view(t, exitFine, "status").Pending == 0 })
	p.kill(t)
	if out, errs := p.ops(t, exitFine, "journal", "export"); out != "" || !strings.Contains(errs, "nothing is pending") {
		t.Errorf("%q, %s", out, errs)
	}
}

// Every path that decides a kind is found again, for every kind of prefix.
func TestPathFinder(t *testing.T) {
	for _, paths := range [][]string{{"/webhook", "/webhooks/on-*"}, {"/hooks/*"}, {"/hooks/o*", "/other"}} {
		c := config.Default()
		c.Sources = []ingress.SourceConfig{{Name: "shop", Paths: paths}}
		f, err := newPathFinder(&c)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range f.sources["shop"].candidates {
			if !c.Sources[0].Serves(path) {
				t.Errorf("%v: %s is none of them", paths, path)
			}
			for _, body := range []string{`{"session_id":"s"}`, `[{"session_id":"s","sent_at":"2026-01-01 00:00:00"}]`, `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`} {
				o := delivery.Origin{Source: "shop", Path: path}
				was := delivery.Parser{}.Parse([]byte(body), o)
				line, note := f.line(was.Events)
				o.Path = line.Path
				is := delivery.Parser{}.Parse(line.Body, o)
				if note != "" || compare(is, was.Events) != same {
					t.Errorf("%s %s: became %s %s, %q", path, body, line.Path, line.Body, note)
				}
			}
		}
	}
}

// All kinds that a path can name are tried.
func TestPathNames(t *testing.T) {
	var named []schema.Kind
	for _, name := range pathNames[1:] {
		named = append(named, delivery.KindOfPath("/on-"+name))
	}
	for _, k := range schema.Kinds() {
		able := k != schema.KindFlowUnrecognized && k != schema.KindUnrecognized && k != schema.KindBridgeProbe
		if slices.Contains(named, k) != able {
			t.Errorf("%s: named is %v, want %v", k, !able, able)
		}
	}
	if delivery.KindOfPath("/on-"+pathNames[0]) != "" {
		t.Errorf("%s names a kind", pathNames[0])
	}
}

// What cannot be made again is said, and exported all the same.
func TestPathFinderNotes(t *testing.T) {
	parse := func(source, path, body string) []schema.Event {
		return delivery.Parser{}.Parse([]byte(body), delivery.Origin{Source: source, Path: path}).Events
	}
	c := config.Default()
	c.Sources = []ingress.SourceConfig{{Name: "shop", Paths: []string{"/a"}, Kinds: []string{"message.read", "message.delivered"}}}
	f, err := newPathFinder(&c)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ source, path, body, note string }{
		{"shop", "/a", `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`, ""},
		{"other", "/a", `{"session_id":"s"}`, "its source is not configured here: other"},
		{"shop", "/on-read", `{"session_id":"s"}`, "no path of its source gives the same events"},
		{"shop", "/on-delivered", `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`, ""}, // but for a warning
		{"shop", "/a", `{"session_id":"s"}`, "does not take flow.unrecognized any more"},
	} {
		line, note := f.line(parse(x.source, x.path, x.body))
		if !strings.Contains(note, x.note) || (note == "") != (x.note == "") || string(line.Body) != x.body || line.Source != x.source || line.Path == "" {
			t.Errorf("%v: got %s %s, %q", x, line.Path, line.Body, note)
		}
	}
	// Without its copies, an event is the same event.
	large := parse("shop", "/a", `{"session_id":"s","read_at":"2026-01-01 00:00:00","user_session_keys":[{"key":"a","value":"b"}]}`)
	var dropped bool
	if large[0], dropped = large[0].WithoutCopies(); !dropped {
		t.Fatal("nothing was dropped")
	}
	if line, note := f.line(large); note != "" || compare(delivery.Parser{}.Parse(line.Body, delivery.Origin{Source: "shop", Path: line.Path}), large) != same {
		t.Errorf("%s %q", fmt.Sprint(line), note)
	}
}
