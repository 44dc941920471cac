package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// chained is a file that was found, and how it follows the one before it.
type chained struct {
	*segment
	header
	intact bool  // the header could be read
	head   int64 // length of the header, if it is intact
	empty  bool  // and nothing in the file proves that it was ever used
	limit  int64 // what the next segment declares valid of this one; see noLimit
	extent int64 // of the file
}

// noLimit: nobody says up to where a segment is valid, because it is the last one,
// or because the one that says so is damaged or missing.
const noLimit = math.MaxInt64

// survey returns the segments that make up the journal, oldest first, and those
// that are left of an attempt at a new segment that did not work out. It writes
// nothing.
func (j *Journal) survey() (chain []chained, litter []*segment, err error) {
	names, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return nil, nil, err
	}
	var files []chained
	for _, name := range names {
		s := parseName(name)
		if s == nil {
			if strings.HasSuffix(name, ".seg") {
				return nil, nil, fmt.Errorf("%s is not the name of a segment", name)
			}
			continue
		}
		c, err := j.inspect(s)
		if err != nil {
			return nil, nil, fmt.Errorf("segment %s: %w", name, err)
		}
		files = append(files, c)
	}
	slices.SortFunc(files, func(a, b chained) int { return cmp.Compare(a.gen, b.gen) })
	chain, loose := link(files)
	for _, c := range loose {
		if c.empty {
			litter = append(litter, c.segment)
			continue
		}
		if used, err := j.used(c); err != nil {
			return nil, nil, fmt.Errorf("segment %s: %w", c.name(), err)
		} else if used {
			return nil, nil, fmt.Errorf("segment %s holds records, but the segments after it do not follow it: it is not of this journal", c.name())
		}
		litter = append(litter, c.segment)
	}
	return chain, litter, nil
}

// used reports whether anything was ever kept in c: a batch behind the header.
func (j *Journal) used(c chained) (bool, error) {
	f, err := j.openRead(c.segment, nil)
	if err != nil {
		return false, err
	}
	defer f.Close()
	flushed, err := flushedAfter(f, c.salt, 0, c.extent)
	return flushed > 0, err
}

// inspect reads the header of s. A header that is bad is damaged if the segment was
// used, which a later batch in it proves, or the header of its successor, or if the
// disk cannot read it. Else it was never finished.
func (j *Journal) inspect(s *segment) (c chained, err error) {
	c = chained{segment: s, limit: noLimit}
	f, err := j.openRead(s, nil)
	if err != nil {
		return c, err
	}
	defer f.Close()
	if c.extent, err = f.Size(); err != nil {
		return c, err
	}
	s.bytes = c.extent
	sc := scanner{f: f, salt: s.salt, limit: c.extent}
	fr, err := sc.at(0)
	if err == nil && fr.due() == s.first {
		if c.header, err = decodeHeader(fr.payload); err == nil {
			c.intact, c.head, c.checkpoint = true, fr.size(), nil // read again when its turn comes
			return c, nil
		}
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errBadFrame) {
		return c, err
	}
	flushed, err := flushedAfter(f, c.salt, 0, c.extent)
	// Nobody knows what was in a page that cannot be read.
	c.empty = flushed == 0 && f.Unreadable(0, c.extent) == 0
	return c, err
}

// link follows the headers from the newest file back. Loose are the files that no
// header leads to.
func link(files []chained) (chain, loose []chained) {
	for i := len(files) - 1; i >= 0; i-- {
		c := files[i]
		var succ chained
		if len(chain) > 0 {
			succ = chain[len(chain)-1]
		}
		follows := succ.intact && succ.prevGen == c.gen
		if c.empty && !follows || succ.intact && c.gen > succ.prevGen {
			// Given up, or a crash came, before anything was kept in it.
			loose = append(loose, c)
			continue
		}
		if follows {
			c.limit = succ.prevValid
		}
		c.next = succ.segment
		chain = append(chain, c)
	}
	slices.Reverse(chain)
	slices.Reverse(loose)
	return chain, loose
}
