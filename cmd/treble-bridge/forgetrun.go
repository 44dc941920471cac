package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
)

// erase deletes what was found, and keeps a record of that. Without one nothing is
// deleted.
func (f *forgetCommand) erase(ctx context.Context, client *publisher.Client, run *forget.Run, v *forgetView) error {
	audit, err := client.OpenAudit(ctx)
	if err != nil {
		return err
	}
	v.Run = "forget-" + strings.ToLower(rand.Text()[:10])
	record := publisher.AuditRecord{Run: v.Run, Action: "forget", Who: whoAmI(), Began: time.Now().UTC(), State: publisher.AuditRunning, Counts: v.counts()}
	record.Detail, err = json.Marshal(map[string]any{"phone": f.phone != "", "sessions": len(f.sessions), "data_dir": v.DataDir})
	if err != nil {
		return err
	}
	if err := audit.Put(ctx, record); err != nil {
		return err
	}
	failure := f.delete(ctx, run, v)
	switch {
	case ctx.Err() != nil:
		v.State = publisher.AuditStopped
	case failure != nil:
		v.State, record.Problem = publisher.AuditFailed, failure.Error()
	default:
		v.State = publisher.AuditDone
	}
	record.State, record.Ended, record.Counts = v.State, time.Now().UTC(), v.counts()
	// A run that is interrupted is recorded too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	return errors.Join(failure, audit.Put(ctx, record))
}

func (f *forgetCommand) delete(ctx context.Context, run *forget.Run, v *forgetView) error {
	var inStreams int64
	for _, n := range v.Found.Streams {
		inStreams += n
	}
	bar := newProgress(f.io.err, int(inStreams))
	erased, left, err := run.Erase(ctx, f.wait, func() { bar.step(result{ok: true}) })
	bar.done()
	v.Erased = erased
	if err != nil {
		return err
	}
	v.Left = &left
	return whatIsLeft(left, v.DataDir)
}

// counts are those of the record.
func (v *forgetView) counts() map[string]int64 {
	counts := map[string]int64{}
	add := func(what string, c forget.Counts) {
		for name, n := range c.Streams {
			counts[what+"-stream-"+name] = n
		}
		counts[what+"-journal"], counts[what+"-set-aside"] = c.Journal, c.SetAside
		counts[what+"-damaged"], counts[what+"-waiting"] = c.Damaged, c.Waiting
	}
	add("found", v.Found)
	add("erased", v.Erased)
	if v.Left != nil {
		add("left", *v.Left)
	}
	return counts
}
