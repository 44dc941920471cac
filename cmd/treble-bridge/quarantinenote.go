package main

import (
	"context"
	"fmt"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
)

// quarantineNotes tell the bridge of this host what is removed from its quarantine on
// purpose: its journal would put that back, if NATS restarted soon.
type quarantineNotes struct {
	dir    *forget.DataDir // nil: there is none to tell
	stream string
}

// openNotes warns if the bridge cannot be told. That is no reason to leave a body where it is.
func openNotes(ctx context.Context, c *config.Config, streams stdio, q *publisher.Quarantine) quarantineNotes {
	dir, err := forget.OpenDataDir(ctx, c.DataDir, c.Publisher.Stream, c.Journal.Retain)
	if err != nil {
		fmt.Fprintf(streams.err, "what is removed may come back if NATS restarts within a minute: %v\n", err)
	}
	return quarantineNotes{dir, q.Stream()}
}

// removed returns when it is noted. Call it before the deletion.
func (n quarantineNotes) removed(ctx context.Context, seqs ...uint64) error {
	if n.dir == nil {
		return nil
	}
	return n.dir.Note(ctx, n.stream, seqs)
}
