package journal

// recent are the newest entries, without gaps, that no Reader has returned yet.
type recent struct {
	first    Seq
	payloads [][]byte
	bytes    int64
}

// add takes the next entry, and drops the oldest ones if they are too many bytes.
func (c *recent) add(seq Seq, payload []byte, most int64) {
	if most <= 0 {
		return
	}
	if len(c.payloads) == 0 {
		c.first = seq
	}
	c.payloads = append(c.payloads, payload)
	c.bytes += int64(len(payload))
	for c.bytes > most {
		c.drop(c.first)
	}
}

// get returns an entry; nil if it is not there.
func (c *recent) get(seq Seq) []byte {
	if seq < c.first || seq >= c.first+Seq(len(c.payloads)) {
		return nil
	}
	return c.payloads[seq-c.first]
}

// drop drops the entries up to one.
func (c *recent) drop(upTo Seq) {
	for len(c.payloads) > 0 && c.first <= upTo {
		c.bytes -= int64(len(c.payloads[0]))
		c.payloads[0] = nil
		c.payloads = c.payloads[1:]
		c.first++
	}
}

// recall returns the next entry if it is in memory. If there is none on stable storage, it
// returns the channel that is closed when there is more, or ErrClosed. The bool is false if
// the files must be read.
func (r *Reader) recall() (rec Record, more <-chan struct{}, known bool, err error) {
	j := r.j
	j.mu.Lock()
	payload := j.recent.get(r.from)
	switch {
	case payload != nil:
		j.recent.drop(r.from)
		rec = Record{Type: Entry, Seq: r.from, Payload: payload}
		r.from++
		known = true
	case r.from > j.last && j.ended:
		known, err = true, ErrClosed
	case r.from > j.last:
		known, more = true, j.changed
	}
	behind := known && r.seg != nil && r.seg.next != nil && r.seg.next.first <= r.from
	j.mu.Unlock()
	if behind { // and its segment may be removed, which takes disk as long as it is open
		_ = r.Close()
	}
	return rec, more, known, err
}
