package replay

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

func TestResumeLineCanBePastedAndShowsNoSecret(t *testing.T) {
	r := &command{}
	root := &cobra.Command{Use: "treble-bridge"}
	cli.PrepareRoot(root, cli.Streams{})
	cmd := New(cli.Streams{})
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

func TestRunOutput(t *testing.T) {
	v := RunJSON{Run: "replay-x", State: audit.Stopped, Filter: "all events", Target: "host\x1b[2J", Events: 10, Replayed: 4, Sequence: 7,
		Seconds: 2, rate: 2, Resume: "treble-bridge replay --resume replay-x"}
	var out, errs bytes.Buffer
	if err := v.print(cli.Streams{Out: &out, Err: &errs}, false, false); err != nil {
		t.Fatal(err)
	}
	want := "run replay-x: stopped, 4 of 10 events replayed to host\\u001b[2J, in 2s (2/s)\nto go on: treble-bridge replay --resume replay-x\n"
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("got %q, %q; want %q", out.String(), errs.String(), want)
	}
	out.Reset()
	if err := v.print(cli.Streams{Out: &out, Err: &errs}, false, true); err != nil || out.Len() > 0 || errs.String() != want {
		t.Errorf("with events on standard output: got %q, %q, %v", out.String(), errs.String(), err)
	}
	if err := v.print(cli.Streams{Out: &out, Err: &errs}, true, false); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `{"run":"replay-x","state":"stopped","filter":"all events","target":"host\u001b[2J","events":10,"replayed":4,"skipped":0,"sequence":7,"seconds":2,"resume":"treble-bridge replay --resume replay-x"}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestListOutput(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	runs := []replay.Listed{
		{Run: "replay-a", State: audit.Running, Who: "me@here", Began: now, Updated: now.Add(-time.Minute), Filter: "one phone", Target: "t", Total: 5, Replayed: 2},
		{Run: "replay-b", State: audit.Done, Who: "me\x1b@here", Began: now, Updated: now, Ended: now, Filter: "all events", Target: "t", Total: 5, Replayed: 5},
	}
	var out, errs bytes.Buffer
	if err := printList(cli.Streams{Out: &out, Err: &errs}, runs, now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"silent for 1m0s", "2 of 5", `me\u001b@here`, "one phone"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %q in it", out.String(), want)
		}
	}
	out.Reset()
	if err := cli.WriteJSONLines(&out, runs, newRecordJSON); err != nil {
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
	if err := printList(cli.Streams{Out: &out, Err: &errs}, nil, now); err != nil || !strings.Contains(errs.String(), "no replay yet") {
		t.Errorf("got %q, %v", errs.String(), err)
	}
}
