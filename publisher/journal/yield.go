package journal

// makeRoom removes the oldest segments that the owner can do without until entries
// may take need bytes, and none if that would not do. The error is why they may not.
func (j *Journal) makeRoom(need int64) error {
	j.sweep() // what is left of earlier removals
	for {
		room := j.room()
		if need <= room.bytes {
			return nil
		}
		if room.bytes+j.yieldable() < need || !j.yieldOne() {
			return room.limit()
		}
	}
}

// keptFree is the part of the room for entries that what is only retained does not take.
const keptFree = 4

// keepFree removes the oldest segments that the owner can do without while they take more
// than three quarters of the room, and none if that would not do. The owner can do without
// nothing when the entries have nowhere to go, and just then the journal must take many more.
//
// Options.Beside does not count: what is removed is room for those others too, also if it is too
// little for all that they will write. Without it they might stop, and the entries would stay.
func (j *Journal) keepFree() {
	for {
		j.mu.Lock()
		alone := len(j.segs) == 1
		j.mu.Unlock()
		free := j.roomWithout(j.o.Reserve).bytes
		wanted := (j.bytes() + free) / keptFree
		if alone || free >= wanted || free+j.yieldable() < wanted || !j.yieldOne() {
			return
		}
	}
}

// yieldable returns the bytes that yieldOne can make free, one call after the other.
func (j *Journal) yieldable() (bytes int64) {
	if j.o.Yield == nil {
		return 0
	}
	upTo := j.o.Yield()
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.segs {
		if i+1 < len(j.segs) && j.segs[i+1].first > upTo+1 || i+1 == len(j.segs) && !j.spent(upTo) {
			break
		}
		bytes += s.bytes
	}
	return bytes
}

// spent reports whether the active segment holds entries, and none behind upTo. The
// caller holds mu.
func (j *Journal) spent(upTo Seq) bool {
	return j.active().first <= j.last && j.last <= upTo
}

// yieldOne removes the oldest segment if the owner can do without all its entries. If
// it is the active one, a new one is begun before. It reports whether there is more
// room now.
func (j *Journal) yieldOne() bool {
	if j.o.Yield == nil || j.yielding || j.taken {
		return false
	}
	j.yielding = true
	defer func() { j.yielding = false }()
	upTo := j.o.Yield()
	j.mu.Lock()
	roll := len(j.segs) == 1 && j.spent(upTo)
	j.mu.Unlock()
	if roll && j.roll() != nil {
		return false
	}
	j.mu.Lock()
	if len(j.segs) == 1 || j.segs[1].first > upTo+1 {
		j.mu.Unlock()
		return false
	}
	upTo = j.segs[1].first - 1
	j.mu.Unlock()
	if !j.drop(upTo) {
		return false
	}
	if j.o.Yielded != nil {
		j.o.Yielded(upTo)
	}
	return !j.littered()
}
