package journal

// fillBytes is how far zeros are written ahead at most. More spares few flushes, and makes the
// one that carries them longer.
const fillBytes = 256 << 10

// fillMargin is the room, in times the zeros, without which none are written: what bounds the
// journal is for entries, and other programs fill the disk as well.
const fillMargin = 8

// filling is what the committer knows of the zeros behind the end of the active segment. A flush
// into blocks that were written before changes nothing in the metadata of the file, so that the
// file system need not write its own journal. No format is needed for it: zeros are no frame, and
// with nothing behind them they end the segment as a torn batch does.
type filling struct {
	inPlace bool  // the file system writes over blocks where they are; else zeros spare nothing
	to      int64 // the file has zeros up to here; not beyond the end: it has none
	off     bool  // there was no space for some: none until the next segment is due
}

// fillAhead writes zeros behind end, where the batch ends that is flushed next, if it used up those
// before. They are no more than what the segment holds: a segment of few entries has few. A batch as
// large as they are has none: the next one like it would grow the file all the same. An error is none
// of the batch's.
func (j *Journal) fillAhead(end int64) {
	if !j.filled.inPlace || j.filled.off || j.filled.to > end || end-j.end >= fillBytes {
		return
	}
	n := min(fillBytes, end-j.head, j.head+j.o.SegmentBytes-end)
	if n <= 0 || j.room().bytes < end-j.end+fillMargin*n {
		return
	}
	if j.zeros == nil {
		j.zeros = make([]byte, fillBytes)
	}
	j.filled.to = end + n
	if err := writeAt(j.file, j.zeros[:n], end); err != nil {
		j.filled.off = true
		_ = j.truncate(end)
	}
}

// ahead is how many zeros the active segment has left: bytes of the disk, and not of the journal yet.
// Only the committer calls it; others look at Journal.spare.
func (j *Journal) ahead() int64 { return max(0, j.filled.to-j.end) }

// checksumBytes are what a frame ends with.
const checksumBytes = 4

// cutZeros takes the zeros at the end of the file of c off its extent. Who writes to it meanwhile
// writes behind that, so that what is read up to there does not change. It returns how many there are.
func (j *Journal) cutZeros(c *chained) (int64, error) {
	f, err := j.openRead(c.segment, nil)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	used, err := f.WithoutZeros(c.extent)
	zeros := c.extent - used
	c.extent = min(c.extent, used+checksumBytes) // a record may end with zeros itself
	return zeros, err
}
