package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

func TestReplayUsage(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	for _, c := range []struct{ name, args, want string }{
		{"two-targets", "--to-file x --to-url http://127.0.0.1/", "use one of them"},
		{"url", "--to-url bridge:80", "--to-url: use http://"},
		{"header-alone", "--header s3cret:1", "--header: is for --to-url"},
		{"header", "--to-url http://127.0.0.1/ --header s3cret", "--header: use 'Name: value'"},
		{"header-name", "--to-url http://127.0.0.1/ --header s3{cret:1", "--header: use 'Name: value'"},
		{"kind", "--kind message.red", "use one of message.read"},
		{"phone", "--phone s3cret", "--phone: use the international form"},
		{"since", "--since yesterday", "--since:"},
		{"sequences", "--from-seq 3 --to-seq 2", "--to-seq"},
		{"rate", "--rate -1", "--rate"},
		{"limit", "--limit -1", "--limit"},
		{"retries", "--retries -1", "--retries"},
		{"timeout", "--timeout 0s", "--timeout"},
		{"give-up", "--give-up 0s", "--give-up"},
		{"json-stdout", "--json --to-file -", "use one of them"},
		{"resume-filter", "--resume replay-x --kind message.read", "--kind: leave it out with --resume"},
		{"resume-target", "--resume replay-x --to-file x", "--to-file: leave it out with --resume"},
		{"argument", "replay-x", `unknown command "replay-x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errs := command(t.Context(), "", append([]string{"replay"}, strings.Fields(c.args)...)...)
			if code != exitUsage || !strings.Contains(errs, c.want) || strings.Contains(errs, "s3cret") || strings.Contains(errs, "s3{cret") {
				t.Errorf("got exit %d, %q; want 2, %q", code, errs, c.want)
			}
		})
	}
}

// TestReplayResumeLine: it can be pasted into a shell, and shows no secret.
func TestReplayResumeLine(t *testing.T) {
	r := &replayCommand{}
	root := &cobra.Command{Use: "treble-bridge"}
	prepareRoot(root, stdio{})
	cmd := newReplay(stdio{})
	root.AddCommand(cmd)
	if err := cmd.ParseFlags([]string{"--phone", "+573001234567", "--to-url", "https://me:s3cret@host/s3cret?s3cret", "--header", "A: s3cret", "--rate", "20",
		"--nats-url", "nats://s3cret@host", "--kind", "message.*", "--since", "2h", "--yes", "--data-dir", "/it's here"}); err != nil {
		t.Fatal(err)
	}
	r.headers = []string{"A: s3cret"}
	got := r.resumeLine(cmd, "replay-x")
	want := `treble-bridge replay --resume replay-x --data-dir '/it'\''s here' --header "$HEADER" --nats-url "$NATS_URL" --phone "$PHONE" --rate 20 --to-url "$URL" --yes`
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestReplayView(t *testing.T) {
	v := replayView{Run: "replay-x", State: publisher.AuditStopped, Filter: "all events", Target: "host\x1b[2J", Events: 10, Replayed: 4, Sequence: 7,
		Seconds: 2, rate: 2, Resume: "treble-bridge replay --resume replay-x"}
	var out, errs bytes.Buffer
	if err := v.print(stdio{out: &out, err: &errs}, false, false); err != nil {
		t.Fatal(err)
	}
	want := "run replay-x: stopped, 4 of 10 events replayed to host\\u001b[2J, in 2s (2/s)\nto go on: treble-bridge replay --resume replay-x\n"
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("got %q, %q; want %q", out.String(), errs.String(), want)
	}
	out.Reset()
	if err := v.print(stdio{out: &out, err: &errs}, false, true); err != nil || out.Len() > 0 || errs.String() != want {
		t.Errorf("with events on standard output: got %q, %q, %v", out.String(), errs.String(), err)
	}
	if err := v.print(stdio{out: &out, err: &errs}, true, false); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `{"run":"replay-x","state":"stopped","filter":"all events","target":"host\u001b[2J","events":10,"replayed":4,"skipped":0,"sequence":7,"seconds":2,"resume":"treble-bridge replay --resume replay-x"}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReplayListOutput(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	runs := []replay.Listed{
		{Run: "replay-a", State: publisher.AuditRunning, Who: "me@here", Began: now, Updated: now.Add(-time.Minute), Filter: "one phone", Target: "t", Total: 5, Replayed: 2},
		{Run: "replay-b", State: publisher.AuditDone, Who: "me\x1b@here", Began: now, Updated: now, Ended: now, Filter: "all events", Target: "t", Total: 5, Replayed: 5},
	}
	var out, errs bytes.Buffer
	if err := printReplays(stdio{out: &out, err: &errs}, runs, now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"silent for 1m0s", "2 of 5", `me\u001b@here`, "one phone"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %q in it", out.String(), want)
		}
	}
	out.Reset()
	if err := printReplaysJSON(&out, runs); err != nil {
		t.Fatal(err)
	}
	var records []map[string]any
	for dec := json.NewDecoder(&out); dec.More(); {
		var r map[string]any
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if len(records) != 2 || records[0]["ended"] != nil || records[1]["ended"] == nil || records[0]["state"] != "running" || records[1]["events"] != 5.0 {
		t.Errorf("got %v", records)
	}
	if err := printReplays(stdio{out: &out, err: &errs}, nil, now); err != nil || !strings.Contains(errs.String(), "no replay yet") {
		t.Errorf("got %q, %v", errs.String(), err)
	}
}
