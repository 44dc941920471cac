package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// Given has the settings that the record of a run does not hold, because they name a person or may
// be secret.
type Given struct {
	Session, Conversation, Phone string
	URL                          URLTarget
}

// Resume plans to go on with a run that did not come to its end. A run whose process
// lives is refused; to be sure it may take some seconds, after a kill.
func Resume(ctx context.Context, c *client.Client, name string, g Given, o Options) (*Run, error) {
	bucket, err := audit.Open(ctx, c, o.Streams)
	if err != nil {
		return nil, err
	}
	held, err := awaitReleased(ctx, bucket, name)
	if err != nil {
		return nil, err
	}
	if held.Action != Action {
		return nil, fmt.Errorf("%s is a run of %q, not of %q", name, held.Action, Action)
	}
	d, err := decodeDetail(held.Record)
	if err != nil {
		return nil, err
	}
	if held.State == audit.Done {
		return nil, fmt.Errorf("run %s is done: it replayed %d events", name, held.Counts["replayed"])
	}
	if err := d.check(g); err != nil {
		return nil, fmt.Errorf("run %s: %w", name, err)
	}
	if held.Counts == nil {
		held.Counts = map[string]int64{}
	}
	r := &Run{client: c, opts: o, name: name, detail: d, held: held, total: -1}
	if total, ok := held.Counts["total"]; ok {
		r.total = total
	}
	r.spec = Spec{Filter: d.Filter.filter(g), Limit: d.Limit, Target: Target{To: d.Target.To, Subject: d.Target.Subject, URL: g.URL, File: d.Target.File}}
	return r, nil
}

// awaitReleased returns the record of a run when no process holds its lease any more.
func awaitReleased(ctx context.Context, a *audit.Bucket, name string) (audit.Versioned, error) {
	first, err := a.Get(ctx, name)
	for held := first; ; held, err = a.Get(ctx, name) {
		switch {
		case err != nil, held.State != audit.Running, held.Age >= alive:
			return held, err
		case held.Revision != first.Revision:
			return held, fmt.Errorf("run %s is running, as %s: stop it first", name, held.Who)
		}
		if err := client.Sleep(ctx, min(heartbeat, alive-held.Age)); err != nil {
			return held, err
		}
	}
}

// check compares what is given with what the run began with.
func (d detail) check(g Given) error {
	for _, by := range []struct {
		flag, what, given string
		chose             bool
	}{
		{"--session", "session", g.Session, d.Filter.Session},
		{"--conversation", "conversation", g.Conversation, d.Filter.Conversation},
		{"--phone", "phone number", g.Phone, d.Filter.Phone},
	} {
		switch {
		case by.chose && by.given == "":
			return fmt.Errorf("it chose events by a %s, which is on no record: give the same %s again", by.what, by.flag)
		case !by.chose && by.given != "":
			return fmt.Errorf("it did not choose events by a %s: leave %s out", by.what, by.flag)
		}
	}
	switch {
	case d.Target.To != ToStream && d.Target.To != ToURL && d.Target.To != ToFile:
		return fmt.Errorf("it went to %q, which this version does not know: begin a new run with --from-seq", d.Target.To)
	case d.Target.To == ToFile && d.Target.File == "-":
		return errors.New("what was written to standard output cannot be taken up again: begin a new run with --from-seq")
	case d.Target.To == ToURL && g.URL.URL == nil:
		return fmt.Errorf("it posted to %s; the rest of the address, and its headers, are on no record: give the same --to-url and --header again", d.Target.Host)
	case d.Target.To == ToURL && g.URL.host() != d.Target.Host:
		return fmt.Errorf("it posted to %s, and --to-url is another host", d.Target.Host)
	case d.Target.To != ToURL && g.URL.URL != nil:
		return fmt.Errorf("it goes to %s: leave --to-url out", d.Target.words())
	}
	return nil
}
