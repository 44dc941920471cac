package outbox

import (
	"fmt"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// truth knows what really happened, and holds the promise against it.
type truth struct {
	w         *world
	events    []*event // in the order in which they first arrived
	byID      map[string]*event
	violation string // the first one

	accepts  int // requests that were answered 2xx
	stores   int // messages that were stored
	other    int
	jumped   bool // the clock was set
	damaged  bool // pages of the journal cannot be read
	told     bool // and the bridge said so
	diskFull bool // the disk was full once
	anew     bool // the stream was made again
}

// event is what became of one event.
type event struct {
	id, kind string
	size     int

	yes   int         // the first request with it that was answered 2xx, counted; 0: none
	after int         // how many requests were answered 2xx before it arrived first
	times []time.Time // when requests with it arrived that were not refused
	sure  int         // how many were answered 2xx
	maybe int         // how many were not answered
	stray bool        // published past the journal without an answer: nobody but the window of the server knows it
	entry journal.Seq // in the journal, of the first request that was answered 2xx

	firstStore int           // the first time that it was stored, counted; 0: never
	storedAt   time.Duration // passed, at the newest
	lostAt     time.Duration // passed, when it was lost last; -1: never
	acked      bool          // the bridge saw a PubAck
	ackedAt    time.Duration
	known      bool // and has it on its disk
	onPurpose  bool // it was removed by somebody
	removed    streammodel.Cause
	removedAt  time.Duration // passed
	forgotten  bool          // through the bridge
	unmarked   bool          // the disk was full before the bridge could write down where it is
	past       bool          // it was published past the journal
	given      bool          // the bridge gave it up for room, and was allowed to
	released   bool          // its retention is over for sure
	back       string
}

func newTruth(w *world) *truth { return &truth{w: w, byID: map[string]*event{}} }

func (t *truth) fail(format string, args ...any) {
	if t.violation == "" {
		t.violation = fmt.Sprintf(format, args...)
		t.w.log("VIOLATION %s", t.violation)
	}
}

func (t *truth) failed() bool { return t.violation != "" }

// event makes a new one.
func (t *truth) event(kind string, size int) *event {
	e := &event{id: fmt.Sprintf("e%d", len(t.events)+1), kind: kind, size: size, lostAt: -1}
	t.events = append(t.events, e)
	t.byID[e.id] = e
	return e
}

// answered notes a 2xx.
func (t *truth) answered(events []*event, entry journal.Seq) {
	for _, e := range events {
		t.arrived(e)
	}
	t.accepts++
	for _, e := range events {
		if e.entry == 0 {
			e.entry = entry
		}
		e.sure++
		if e.yes == 0 {
			e.yes = t.accepts
		}
	}
}

// unanswered notes a request of which nobody knows what became.
func (t *truth) unanswered(events []*event) {
	for _, e := range events {
		t.arrived(e)
		e.maybe++
	}
}

// direct notes a 2xx for an event that is not in the journal: nothing heals it.
func (t *truth) direct(e *event) {
	t.accepts++
	e.yes, e.past, e.maybe = t.accepts, true, 0
}

// fills is the disk, which is full from now on.
func (t *truth) fills() {
	t.diskFull = true
	for _, e := range t.events {
		e.unmarked = e.unmarked || !e.known
	}
}

// refused takes back that an event may be stored.
func (t *truth) refused(e *event) { e.times, e.maybe = nil, 0 }

// arrived begins a new life of an event: it may be stored again, if the stream does not
// know it.
func (t *truth) arrived(e *event) {
	if len(e.times) == 0 {
		e.after = t.accepts
	}
	e.times = append(e.times, t.w.now)
	e.back, e.released, e.acked, e.known, e.removed = "", false, false, false, ""
}

// stored is told of every message that a publish stores.
func (t *truth) stored(m streammodel.Message) {
	if strings.HasPrefix(m.ID, "other-") {
		return
	}
	t.w.log("  stored %s at %d", m.ID, m.Seq)
	e := t.byID[m.ID]
	if e == nil {
		t.fail("%q is stored, and was never sent", m.ID)
		return
	}
	t.stores++
	if e.firstStore == 0 {
		e.firstStore = t.stores
	}
	e.storedAt, e.lostAt = t.w.passed, -1
	switch {
	case len(e.times) == 0:
		t.fail("%s was refused and is stored", e.id)
	case e.back != "" && !t.damaged:
		t.fail("%s comes back: %s", e.id, e.back)
	}
}

// gone is told of every message that goes.
func (t *truth) gone(m streammodel.Message, why streammodel.Cause) {
	e := t.byID[m.ID]
	if e == nil {
		return
	}
	t.w.log("  %s at %d goes: %s", m.ID, m.Seq, why)
	switch {
	case !why.OnPurpose():
		e.lostAt = t.w.passed
		// From a stream that drops its oldest, what is missing at the front was dropped.
		e.onPurpose = e.onPurpose || t.w.model.Config().DiscardOld
		return
	case why == streammodel.Dropped:
		e.lostAt = t.w.passed // the bridge cannot tell it from a loss
		return
	case e.known && e.forgotten:
		e.back = "it was forgotten"
	case e.forgotten:
		e.forgotten = false // it arrived again since; what removes that copy is something else
	case e.known && why != streammodel.Deleted && t.w.seen():
		// A hole may be taken for a loss after a restart of the server, this not.
		e.removed, e.removedAt = why, t.w.passed
	}
	e.onPurpose = true
}

// loss comes before the stream loses something, or goes.
func (t *truth) loss() {
	t.anew = true // what is below a sequence is not sure any more
	t.recovery()
}

// recovery comes before the stream is recovered from a disk, or by an election:
// afterwards the bridge cannot tell what was removed on purpose just before.
func (t *truth) recovery() {
	for _, e := range t.events {
		e.removed = ""
		if e.back != "" && !e.released && !e.forgotten {
			e.back = ""
		}
	}
}

// leave is another stream: what was published to the old one stays there.
func (t *truth) leave() {
	t.loss()
	for _, e := range t.events {
		if e.firstStore > 0 {
			e.onPurpose = true
		}
		if e.known {
			e.back = "it was published to another stream"
		}
	}
}

// dropsOldest notes that the stream drops its oldest from now on: of what it lacks at the
// front, nobody can tell why.
func (t *truth) dropsOldest() {
	for _, e := range t.events {
		e.onPurpose = e.onPurpose || e.lostAt >= 0
	}
}

// tried notes that the bridge died while it was told to forget an event: it may take it
// for removed.
func (t *truth) tried(id string) {
	if e := t.byID[id]; e != nil {
		e.onPurpose = true
	}
}

func (t *truth) forget(id string) {
	if e := t.byID[id]; e != nil {
		e.forgotten = true
	}
}

// givenUp notes that the bridge gave up retained entries for room.
func (t *truth) givenUp(upTo journal.Seq) {
	for _, e := range t.events {
		if e.entry > 0 && e.entry <= upTo {
			e.given = true
		}
	}
}

// acknowledged notes a PubAck.
func (t *truth) acknowledged(msgs []broker.Message) {
	for _, m := range msgs {
		if e := t.byID[m.ID]; e != nil {
			e.acked, e.ackedAt = true, t.w.passed
			e.unmarked = t.w.disk.capacity > 0
		}
	}
}

// settle notes what the bridge has on its disk by now, and what it must have released.
func (t *truth) settle() {
	for _, e := range t.events {
		if !e.acked || e.back != "" {
			continue
		}
		if e.removed != "" && t.w.passed-max(e.removedAt, t.w.steady) > simVerify+5*time.Second {
			e.back = string(e.removed) // the bridge has seen it, and no election came between
			continue
		}
		if t.w.passed-e.ackedAt > 3*time.Second && t.w.passed-t.w.steady > 3*time.Second {
			e.known = true
		}
		if e.known && e.lostAt < 0 && t.w.passed-max(e.ackedAt, t.w.steady) > simRetain+2*time.Minute {
			e.released = true
			e.back = "its retention was over"
		}
	}
}

// judge looks at the end of a run, when all was made well.
func (t *truth) judge() {
	if t.failed() {
		return
	}
	w := t.w
	copies := map[string]int{}
	for _, m := range w.model.Messages() {
		copies[m.ID]++
	}
	a := w.bridge.Account()
	var accepted, perhaps, missing int64
	for _, e := range t.events {
		n := copies[e.id]
		accepted += int64(e.sure)
		perhaps += int64(e.maybe)
		if n > t.allowed(e) {
			t.fail("%s is stored %d times, and may be %d times", e.id, n, t.allowed(e))
		}
		if len(e.times) == 0 && n > 0 {
			t.fail("%s was refused and is there", e.id)
		}
		if e.sure == 0 {
			continue
		}
		if n == 0 && e.firstStore == 0 && w.asides[e.id] == 0 {
			missing++
		}
		if n == 0 && t.mustBe(e) {
			t.fail("%s was answered 2xx and is not there (stored first %d, lost at %v)", e.id, e.firstStore, e.lostAt)
		}
	}
	t.judgeOrder()
	if a.Pending != 0 {
		t.fail("%d events are pending, and all is well: %q", a.Pending, w.bridge.Problem())
	}
	if a.Retained != 0 && !w.o.brief && !t.jumped {
		t.fail("%d entries are retained longer than they may be", a.Retained)
	}
	// On a full disk segments go whose marks could not be written.
	if !t.damaged && (a.Accepted < accepted && !t.diskFull || a.Accepted > accepted+perhaps) {
		t.fail("the account says %d accepted, and %d were answered 2xx, %d not answered", a.Accepted, accepted, perhaps)
	}
	if t.damaged && missing > 0 && !t.told && a.Damaged == 0 && len(w.bridge.Damage()) == 0 {
		t.fail("%d events are not there, and no damage is told", missing)
	}
}

// judgeOrder holds the order of the first copies against that of the answers: what was
// answered before another one arrived is stored before it.
func (t *truth) judgeOrder() {
	newest := make([]*event, t.accepts+1) // of those that were answered up to here, the last to be stored
	inOrder := func(e *event) bool {
		// Damage may have taken the first request, or an entry whose publish arrived late.
		return e.firstStore > 0 && t.w.asides[e.id] == 0 && !(t.damaged && (len(e.times) > 1 || !e.acked))
	}
	for _, e := range t.events {
		if n := newest[e.yes]; e.yes > 0 && inOrder(e) && (n == nil || n.firstStore < e.firstStore) {
			newest[e.yes] = e
		}
	}
	for i := 1; i < len(newest); i++ {
		if newest[i] == nil || newest[i-1] != nil && newest[i-1].firstStore > newest[i].firstStore {
			newest[i] = newest[i-1]
		}
	}
	for i, e := range t.events {
		if !inOrder(e) {
			continue
		}
		if n := newest[e.after]; n != nil && n.firstStore > e.firstStore {
			t.fail("%s was answered before %s arrived, and is stored after it", n.id, e.id)
		}
		if i == 0 || e.yes == 0 || len(e.times) > 1 || len(t.events[i-1].times) > 1 {
			continue
		}
		if before := t.events[i-1]; before.yes == e.yes && before.after == e.after && inOrder(before) && before.firstStore > e.firstStore {
			t.fail("%s stands before %s in an array, and is stored after it", before.id, e.id)
		}
	}
}

// allowed is how many copies of an event there may be: a repetition within the duplicate
// window of the first is none.
func (t *truth) allowed(e *event) int {
	if len(e.times) == 0 {
		return 0
	}
	n, from := 1, e.times[0]
	for _, at := range e.times[1:] {
		if at.Sub(from) >= simWindow || t.jumped || e.given || e.past || e.stray {
			n, from = n+1, at
		}
	}
	return n
}

// mustBe reports whether an event that was answered 2xx must be in the stream.
func (t *truth) mustBe(e *event) bool {
	switch {
	case e.onPurpose, e.given, e.past, t.damaged, t.w.asides[e.id] > 0:
		return false
	case e.lostAt >= 0 && e.unmarked:
		return false // a checkpoint says that it is settled, and not where it is
	case e.lostAt >= 0: // what is lost after its retention is lost
		return e.lostAt-e.storedAt < simRetain-time.Minute
	}
	return true
}
