package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// Report is the result of Scan.
type Report struct {
	Segments int
	Bytes    int64 // of all segments, also those that Open would remove; without the zeros that are written ahead
	First    Seq   // first entry that may still be there; those before were released
	Last     Seq   // newest entry that was read; 0 if there was never one
	Damage   []Damage
	// Torn is the length of what stands behind the last record: what a crash left, or
	// a batch that is being written. It is normal, and Open cuts it off.
	Torn int64
	// Copies are the files in damaged/: of the damage in Damage, and of damage whose
	// segments are gone.
	Copies int
}

// Scan reads the journal in dir as Open does, calls fn for every record in order,
// and changes nothing; nil as files is the operating system's. The payload is valid
// during the call, and an error of fn ends Scan.
//
// The journal may be open at the same time. Scan then reads the segments that were
// there when it began; a batch that is being written may be in what it reads, or be
// Torn.
func Scan(dir string, files FS, fn func(Record) error) (Report, error) {
	r, err := scan(dir, files, fn)
	if err != nil {
		return Report{}, fmt.Errorf("read journal %s: %w", dir, err)
	}
	return r, nil
}

func scan(dir string, files FS, fn func(Record) error) (Report, error) {
	held := newHeldFS(Options{FS: files}.withDefaults().FS)
	defer held.release()
	// Nobody runs this journal: it only lends its recovery, on files that can
	// only be read.
	j := &Journal{dir: dir, fs: held}
	chain, litter, err := j.surveyLive(held)
	if err != nil {
		return Report{}, err
	}
	n := len(chain)
	var zeros int64
	if n > 0 { // a bridge that runs may be writing over those of the last segment
		if zeros, err = j.cutZeros(&chain[n-1]); err != nil {
			return Report{}, fmt.Errorf("segment %s: %w", chain[n-1].name(), err)
		}
	}
	for i := range chain {
		if err := j.replay(chain, i, fn); err != nil {
			return Report{}, fmt.Errorf("segment %s: %w", chain[i].name(), err)
		}
	}
	r := Report{Segments: n, First: 1, Last: j.last}
	for _, s := range slices.Concat(j.segs, litter) {
		r.Bytes += s.bytes
	}
	if n > 0 {
		last := chain[n-1]
		used := max(last.size, last.bytes-zeros)
		r.First = chain[0].first
		r.Torn = used - last.size
		r.Bytes -= last.bytes - used
	}
	if r.Copies, err = j.findCopies(); err != nil {
		return Report{}, err
	}
	r.Damage = j.Damage()
	return r, nil
}

// surveyTries bounds how often a survey is begun again because a running bridge
// began or removed a segment meanwhile. Each of that is the work of many
// megabytes, so a second try is rare.
const surveyTries = 20

// surveyLive is survey for a directory that changes meanwhile. What it returned
// can be read to the end: held has the files open.
func (j *Journal) surveyLive(held *heldFS) (chain []chained, litter []*segment, err error) {
	for range surveyTries {
		held.release()
		chain, litter, err = j.survey()
		gone := errors.Is(err, fs.ErrNotExist) && !held.missing(j.dir)
		if err != nil && !gone {
			return nil, nil, err
		}
		// A segment that came meanwhile may say that the one before it ends earlier
		// than the file does.
		if grown, err := held.grown(j.dir); err != nil {
			return nil, nil, err
		} else if !gone && !grown {
			return chain, litter, nil
		}
	}
	return nil, nil, errors.New("its segments change faster than they can be listed; try again")
}

// findCopies counts the copies of damaged bytes, and notes which of the damage
// found has one.
func (j *Journal) findCopies() (int, error) {
	dir := filepath.Join(j.dir, datadir.Damaged)
	names, err := j.fs.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, d := range j.damage {
		name := copyName(d)
		if d.Length == 0 || !slices.Contains(names, name) {
			continue
		}
		if err := j.matchCopy(d, filepath.Join(dir, name)); err != nil {
			return 0, err
		}
	}
	return len(names), nil
}

// matchCopy notes the copy of d, if the file is one.
func (j *Journal) matchCopy(d *Damage, path string) error {
	src, err := j.openRead(d.seg, nil)
	if err != nil {
		return err
	}
	dst, err := j.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if same(src, d, dst) {
		d.MovedTo, d.Known = path, true
	}
	return nil
}
