package forget

import "context"

// BridgeRuns reports whether a bridge runs on the data directory.
func (r *Run) BridgeRuns() bool { return r.dir.Running() }

// NoteOnly ends a run between the note in the journal and the deletion from the streams, as a
// crash may.
func (r *Run) NoteOnly(ctx context.Context) error {
	for _, m := range []Match{BySession, ByNumber} {
		if err := r.dir.note(ctx, r.found.healing[m]); err != nil {
			return err
		}
	}
	return nil
}
