package forget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
)

// erase deletes the messages that were found, and keeps a record of that. Without one nothing is
// deleted.
func (f *command) erase(ctx context.Context, client *client.Client, run *forget.Run, dir *forget.DataDir, v *RunJSON) error {
	bucket, err := audit.Open(ctx, client, f.spec)
	if err != nil {
		return err
	}
	const action = "forget"
	v.Run = audit.NewRun(action)
	record := audit.Record{Run: v.Run, Action: action, Who: cli.UserAtHost(), Counts: v.counts()}
	record.Detail, err = json.Marshal(map[string]any{"phone": f.phone != "", "sessions": len(f.sessions), "data_dir": v.DataDir})
	if err != nil {
		return err
	}
	err = bucket.Do(ctx, &record, func(r *audit.Record) error {
		err := f.delete(ctx, run, dir, v)
		r.Counts = v.counts()
		return err
	})
	v.State = record.State
	return err
}

func (f *command) delete(ctx context.Context, run *forget.Run, dir *forget.DataDir, v *RunJSON) error {
	var inStreams int64
	for _, n := range v.Found.Streams {
		inStreams += n
	}
	bar := terminal.NewProgress(f.streams.Err, int(inStreams))
	erased, left, err := run.Erase(ctx, forget.EraseOptions{
		Pending: f.waitPending, Copies: f.wait,
		Step: func() { bar.Step(true) },
		Waits: func(copies int64, until time.Time) {
			if terminal.Is(f.streams.Err) {
				bar.Done()
				fmt.Fprintf(f.streams.Err, "waiting for %s in the journals to go, until %s at most\n", english.Plural(int(copies), "copy", ""), until.Format(time.TimeOnly))
			}
		},
	})
	bar.Done()
	v.Erased = erased
	if left == nil {
		return err
	}
	v.setLeft(*left, dir)
	return errors.Join(err, f.unfinished(run, v, err != nil))
}

// counts returns the counts for the audit record.
func (v *RunJSON) counts() map[string]int64 {
	counts := map[string]int64{}
	add := func(what string, c forget.Counts) {
		for name, n := range c.Streams {
			counts[what+"-stream-"+name] = n
		}
		counts[what+"-journal"], counts[what+"-pending"] = c.Journal, c.Pending
		counts[what+"-set-aside"], counts[what+"-damaged"] = c.SetAside, c.Damaged
	}
	add("found", v.Found)
	add("erased", v.Erased)
	if v.Left != nil {
		add("left", *v.Left)
	}
	return counts
}
