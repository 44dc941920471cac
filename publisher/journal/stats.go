package journal

type counters struct {
	flushes, records uint64
	taken            bool
}

// Stats is the state of a journal at one moment.
type Stats struct {
	Bytes    int64 // of all files, also those that are about to be removed; without the zeros that are written ahead
	Segments int
	First    Seq // first entry that may still be there; those before were released
	Last     Seq // newest entry on stable storage; 0 if there was never one
	Released Seq // entries up to here were released since Open

	Flushes uint64 // batches flushed since Open
	Records uint64 // entries and marks in them: Records/Flushes is the mean batch

	Queued  int // requests that wait for their batch
	Marks   int // marks that are not on stable storage yet
	Damaged int // len(Journal.Damage())
	// Fault is the error of the last write; nil if it succeeded.
	Fault error
	// Taken says that Fault is ErrTaken: nothing is ever written again.
	Taken bool
	// Unreadable are the bytes of the damage that the disk could not read.
	Unreadable int64
}

// Stats returns the state now. It never waits for the disk.
func (j *Journal) Stats() Stats {
	bytes := j.bytes()
	j.mu.Lock()
	defer j.mu.Unlock()
	var unreadable int64
	for _, d := range j.damage {
		unreadable += d.Unreadable
	}
	return Stats{
		Bytes: bytes, Segments: len(j.segs), First: j.segs[0].first, Last: j.last, Released: j.released,
		Flushes: j.stats.flushes, Records: j.stats.records,
		Queued: j.queue.live, Marks: len(j.marks), Damaged: len(j.damage), Fault: j.fault,
		Taken: j.stats.taken, Unreadable: unreadable,
	}
}
