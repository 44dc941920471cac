package outbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// What the simulated bridge and its stream are set to. They are shorter than the
// defaults of the configuration, and in the same proportion.
const (
	simRetain       = 3 * time.Minute
	simWindow       = 2 * time.Minute // the stream's duplicate window
	simVerify       = 30 * time.Second
	simRefusedAfter = time.Minute
	simSmall        = 16 << 10 // bytes of a small journal
	simBacklog      = 40       // messages of others that are in the stream from the start
)

// simOptions are what a schedule is run with.
type simOptions struct {
	defect defect
	brief  bool // the end of a run does not wait until nothing is retained
	atomic bool // the stream takes atomic batches only
}

// world is one simulated run: the bridge with its outbox and journal, its disk, the network
// and a server. Everything happens in one goroutine, in the order of the schedule.
type world struct {
	o      simOptions
	now    time.Time     // the wall clock, of the bridge and of the server
	passed time.Duration // of both clocks together, jumps forwards included; it never goes back
	model  *streammodel.Model
	link   *streammodel.Client
	up     bool // the network
	disk   *simDisk
	bridge *Outbox // nil while it does not run
	rest   backoff // what its last step said
	truth  *truth
	rand   *rand.Rand // of the bridge
	copied *streammodel.Backup

	released journal.Seq // up to which entry the bridge's retention is over, by its marks

	prefix   string
	stream   string
	maxBytes int64
	asides   map[string]int // ids in set-aside

	steady time.Duration // passed, when the last disturbance of the release of entries ended
	quiet  time.Duration // passed, when anything last kept events from moving
	before int64         // pending then
	calm   bool          // everything was well for a while, and nothing is under way

	trace strings.Builder
}

func newWorld(o simOptions) *world {
	w := &world{
		o: o, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), up: true, disk: newSimDisk(),
		rand: rand.New(rand.NewPCG(1, 2)), prefix: "t", stream: "S", asides: map[string]int{},
	}
	w.model = streammodel.New(func() time.Time { return w.now }, w.config())
	for i := range simBacklog {
		w.model.Write("t.x", fmt.Sprintf("earlier-%d", i))
	}
	w.model.Flush()
	w.truth = newTruth(w)
	w.model.Stored, w.model.Gone = w.truth.stored, w.truth.gone
	w.startBridge(action{})
	return w
}

// config is that of the stream when nothing is wrong with it.
func (w *world) config() streammodel.Config {
	return streammodel.Config{Subjects: []string{w.prefix + ".>"}, Batches: true, Fast: !w.o.atomic, Duplicates: simWindow}
}

func (w *world) log(format string, args ...any) {
	fmt.Fprintf(&w.trace, format+"\n", args...)
}

// perform runs one action.
func (w *world) perform(a action) {
	w.log("%s %v", w.now.Format("15:04:05.000"), a)
	verbs[a.do].do(w, a)
}

// The bridge.

// startBridge starts the bridge if it does not run.
func (w *world) startBridge(action) {
	if w.bridge != nil {
		return
	}
	w.link = w.model.Dial()
	w.link.SetUp(w.up)
	w.disturb()
	var err error
	if dies(func() { w.bridge, err = w.o.defect.open(w.options()) }) {
		w.died()
		return
	}
	if err != nil {
		w.log("  start: %v", err)
		w.bridge = nil
		w.link.Close()
		return
	}
	write := w.bridge.relay.record
	w.released = w.bridge.ledger.State().Released
	w.bridge.relay.record = func(m ledger.Mark) {
		w.released = max(w.released, m.Released)
		write(m)
	}
	w.rest = backoff{more: true}
	if len(w.bridge.Damage()) > 0 || w.bridge.Account().Damaged > 0 {
		w.truth.told = true
	}
}

func (w *world) options() Options {
	return Options{
		Dir: "/journal", MaxBytes: w.maxBytes, Retain: simRetain, stream: watched{w.link, w}, Name: w.stream, Prefix: w.prefix,
		Subjects: []string{w.prefix + ".x", w.prefix + ".y"},
		Subject: func(m broker.Message) string {
			_, kind, _ := strings.Cut(m.Subject, ".")
			return w.prefix + "." + kind
		},
		SetAside: func(m broker.Message, why Reason, cause error) error {
			w.log("  set aside %s: %s", m.ID, why)
			w.asides[m.ID]++
			return nil
		},
		RefusedAfter: simRefusedAfter, Verify: simVerify, FS: w.disk.fs,
		now:  func() time.Time { return w.now },
		rand: func(n int64) int64 { return w.rand.Int64N(n) },
		salt: w.rand.Uint32, synchronous: true,
		recent: 1 + int64(w.disk.calls%2)*recentBytes, // every other bridge reads all that it publishes from the disk
	}
}

// died is what follows when the bridge dies at a call to the disk.
func (w *world) died() {
	w.log("  the bridge died")
	image := journaltest.Everything()
	if w.disk.calls%2 == 0 {
		image = journaltest.Random(512, uint64(w.disk.calls))
	}
	w.gone(image)
}

// gone ends the bridge as a crash does.
func (w *world) gone(image journaltest.Image) {
	w.disk.crash(image)
	w.bridge = nil
	w.link.Close()
	w.disturb()
}

func (w *world) kill(action) {
	if w.bridge != nil {
		w.gone(journaltest.Everything())
	}
}

func (w *world) crash(a action) {
	if w.bridge == nil {
		return
	}
	if a.n%3 == 0 {
		w.gone(journaltest.FlushedOnly())
		return
	}
	w.gone(journaltest.Random(512, uint64(a.n)))
}

// crashIn lets the bridge die at a later call to the disk.
func (w *world) crashIn(a action) {
	if w.bridge != nil {
		w.disk.crashIn = a.n
	}
}

func (w *world) stopBridge(action) {
	if w.bridge == nil {
		return
	}
	if dies(func() { _ = w.bridge.Close() }) {
		w.died()
		return
	}
	w.bridge = nil
	w.link.Close()
	w.disturb()
}

// otherPrefix starts the bridge with another prefix; the operator lets the stream
// capture that one.
func (w *world) otherPrefix(a action) {
	w.stopBridge(a)
	w.prefix = []string{"t", "u", "v"}[a.n%3]
	w.model.Configure(func(c *streammodel.Config) { c.Subjects = w.config().Subjects })
	w.startBridge(a)
}

// otherStream starts the bridge with another stream. The old one stays, unseen.
func (w *world) otherStream(a action) {
	w.stopBridge(a)
	w.stream += "x"
	w.truth.leave()
	w.model.DeleteStream()
	w.model.Create()
	w.copied = nil
	w.startBridge(a)
}

// smallJournal starts the bridge with a small journal.
func (w *world) smallJournal(a action) {
	w.stopBridge(a)
	w.maxBytes = simSmall
	w.startBridge(a)
}

// steps lets the bridge do up to so many things at once.
func (w *world) steps(a action) {
	for range max(a.n, 1) {
		if w.bridge == nil || !w.due() {
			return
		}
		w.step()
	}
}

// due reports whether the bridge has something to do now.
func (w *world) due() bool {
	select {
	case <-w.bridge.wake:
		w.rest.more = true
	default:
	}
	if w.rest.link != nil {
		select {
		case <-w.rest.link:
			w.rest.more = true
		default:
		}
	}
	return w.rest.more || !w.now.Before(w.rest.until)
}

func (w *world) step() {
	var r backoff
	serving, first := w.mayYield()
	died := dies(func() {
		w.bridge.journal.Tick()
		r = w.bridge.step(context.Background())
	})
	w.yielded(serving, first)
	if died {
		w.died()
		return
	}
	w.rest = r
}

// mayYield reports whether the bridge may give up retained entries for room, and which
// entry is the first that it has.
func (w *world) mayYield() (bool, journal.Seq) {
	server, _ := w.link.Link()
	r := w.bridge.relay
	return r.serving.Load() && server == *r.servant.Load(), w.bridge.journal.Stats().First
}

// yielded notes what the bridge gave up since before was its first entry, if it was allowed to.
// What was retained long enough is not given up.
func (w *world) yielded(allowed bool, before journal.Seq) {
	if first := w.bridge.journal.Stats().First; allowed && first > max(before, w.released+1) {
		w.truth.givenUp(first - 1)
	}
}

// run lets time pass while the bridge works, as it does in production.
func (w *world) run(a action) {
	end := w.passed + a.d
	for at := 0; ; {
		if w.bridge != nil && w.due() {
			w.step()
			if at++; at > 10_000 {
				w.truth.fail("the bridge does not come to rest")
				return
			}
			continue
		}
		at = 0
		w.watch()
		if w.passed >= end || w.truth.failed() {
			return
		}
		next := min(time.Second, end-w.passed)
		if w.bridge != nil {
			if until := w.rest.until.Sub(w.now); until > 0 && until < next {
				next = until
			}
		}
		w.pass(next)
	}
}

// wait lets time pass while the bridge does nothing, as on a host that is busy, or
// that sleeps.
func (w *world) wait(a action) {
	w.pass(a.d)
	w.disturb()
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.passed += d
	w.model.Tick()
}

// jump sets the clock of both hosts.
func (w *world) jump(a action) {
	w.model.Settle()
	w.truth.jumped = true
	w.now = w.now.Add(a.d)
	if w.passed += max(a.d, 0); a.d < 0 {
		// The clock of what is retained stands still until the time is made up for.
		w.disturb()
		w.steady -= a.d
		w.quiet -= a.d
		return
	}
	w.disturb()
}

// disturb notes that the release of entries, and publishing, may begin anew.
func (w *world) disturb() {
	w.steady = max(w.steady, w.passed)
	w.quiet = max(w.quiet, w.passed)
}

// well reports whether nothing that the schedule does keeps events from moving.
func (w *world) well() bool {
	c := w.model.Config()
	if w.bridge == nil {
		return false
	}
	server, _ := w.link.Link()
	return server != "" && w.model.Healthy() && w.disk.capacity == 0 && c.MaxMsgs == 0 &&
		broker.Info{Subjects: c.Subjects}.Captures(w.prefix+".x")
}

// seen reports whether the bridge has compared its journal with the stream as it is.
func (w *world) seen() bool {
	if w.bridge == nil || !w.bridge.relay.serving.Load() {
		return false
	}
	look := w.bridge.ledger.State().Baseline
	return w.model.Is(look.Created, look.Leader)
}

// stall is how long publishing may make no step while all is well: the last pause, the
// time until a refused subject is set aside, and what a lost event may have to wait for
// in the duplicate window.
const stall = simWindow + simRefusedAfter + 30*time.Second

// watch looks at the invariants that hold at every moment.
func (w *world) watch() {
	if w.bridge == nil {
		return
	}
	a := w.bridge.Account()
	if a.Unaccounted != 0 {
		w.truth.fail("unaccounted: %+v", a)
	}
	if p := w.bridge.Problem(); p != "" && w.calm {
		w.truth.fail("all is well, and the bridge says %q", p)
	}
	if !w.well() {
		w.disturb()
	}
	if a.Pending == 0 || a.Pending != w.before {
		w.quiet = max(w.quiet, w.passed)
	}
	w.before = a.Pending
	if w.passed-w.quiet > stall {
		w.truth.fail("standstill: %d events are pending for %v, and all is well; the bridge says %q", a.Pending, w.passed-w.quiet, w.bridge.Problem())
	}
	if w.disk.capacity == 0 {
		w.truth.settle()
	}
}

// What senders do.

func (w *world) message(kind string, size int, id string) broker.Message {
	return broker.Message{
		Subject: w.prefix + "." + kind, ID: id, Data: []byte(strings.Repeat("x", size)),
		Header: broker.Header{{Name: "Nats-Msg-Id", Value: id}},
	}
}

func (w *world) accept(a action) {
	for range max(a.n, 1) {
		w.deliver(w.truth.event("x", 100))
	}
}

func (w *world) acceptArray(a action) {
	var all []*event
	for range max(a.n, 1) + 1 {
		all = append(all, w.truth.event("x", 100))
	}
	w.deliver(all...)
}

func (w *world) acceptOdd(a action) {
	for range max(a.n, 1) {
		w.deliver(w.truth.event("y", 100))
	}
}

func (w *world) acceptBig(action) { w.deliver(w.truth.event("x", 1500)) }

// acceptAgain repeats an earlier event.
func (w *world) acceptAgain(a action) {
	if n := len(w.truth.events); a.n <= n && a.n > 0 {
		w.deliver(w.truth.events[n-a.n])
	}
}

// flood is many requests, more than a small journal holds.
func (w *world) flood(a action) {
	for range 15 * max(a.n, 1) {
		w.deliver(w.truth.event("x", 400))
	}
}

// acceptDirect is a request to a bridge that answers when JetStream has acknowledged: it
// publishes past the journal, when that is empty.
func (w *world) acceptDirect(action) {
	if w.bridge == nil || !w.o.defect.overtakes && !w.bridge.Drained() {
		return
	}
	e := w.truth.event("x", 100)
	w.truth.unanswered([]*event{e})
	r := w.link.Publish(context.Background(), []broker.Message{w.message(e.kind, e.size, e.id)})
	w.log("  publish %s directly: %v %d", e.id, r.Status, r.First)
	switch {
	case r.Status == broker.Stored:
		w.truth.direct(e)
	case r.Status == broker.Unknown:
		e.stray = true
	default:
		w.truth.refused(e)
	}
}

// deliver is one request.
func (w *world) deliver(events ...*event) {
	if w.bridge == nil {
		return
	}
	var msgs []broker.Message
	for _, e := range events {
		msgs = append(msgs, w.message(e.kind, e.size, e.id))
	}
	serving, first := w.mayYield()
	pending := w.bridge.Account().Pending
	var err error
	if dies(func() { err = w.bridge.Append(context.Background(), msgs) }) {
		w.yielded(serving, first)
		w.truth.unanswered(events)
		w.died()
		return
	}
	w.yielded(serving, first)
	switch {
	case err == nil:
		w.truth.answered(events, w.bridge.journal.Stats().Last)
	case errors.Is(err, journal.ErrUnknown):
		w.truth.unanswered(events)
	default:
		w.log("  refused: %v", err)
		if errors.Is(err, journal.ErrFull) && pending == 0 && serving && w.disk.capacity == 0 {
			w.truth.fail("refused though nothing is pending: %v", err)
		}
	}
}

// forget deletes an event of a person, and tells the bridge. The bridge must have seen the
// stream as it is: it is told the sequence that the event has there.
func (w *world) forget(a action) {
	msgs := w.model.Messages()
	if a.n > len(msgs) || a.n < 1 || !w.model.Healthy() || !w.seen() {
		return
	}
	id := msgs[len(msgs)-a.n].ID
	var seqs []uint64 // an event that was repeated later has several copies
	for _, m := range msgs {
		if m.ID == id {
			seqs = append(seqs, m.Seq)
		}
	}
	var err error
	if dies(func() { err = w.bridge.Forget(context.Background(), seqs) }) {
		w.truth.tried(id)
		w.died()
		return
	}
	if err == nil {
		w.truth.forget(id)
		for _, seq := range seqs {
			w.model.Delete(seq)
		}
	}
}

// The disk.

// unreadable makes a page of the journal one that cannot be read any more.
func (w *world) unreadable(a action) {
	segments := w.disk.segments()
	if len(segments) == 0 {
		return
	}
	w.truth.damaged, w.truth.anew = true, true
	name := segments[a.n%len(segments)]
	w.disk.bad[badPage{name, int64(a.n / len(segments) % 3)}] = true
}

func (w *world) diskFull(action) { w.truth.fills(); w.disk.setCapacity(max(w.disk.used(), 1)) }
func (w *world) diskRoom(action) { w.disk.setCapacity(0); w.disturb() }

// The network.

func (w *world) linkDown(action) { w.setLink(false) }
func (w *world) linkUp(action)   { w.setLink(true) }

func (w *world) setLink(up bool) {
	w.up = up
	w.disturb()
	if w.bridge != nil {
		w.link.SetUp(up)
	}
}

func (w *world) next(f streammodel.Fault) {
	if w.bridge != nil {
		w.link.Next(f)
	}
}

func (w *world) lostRequest(action) { w.next(streammodel.Fault{Kind: streammodel.LostRequest}) }
func (w *world) lostAck(action)     { w.next(streammodel.Fault{Kind: streammodel.LostAck}) }
func (w *world) late(a action)      { w.next(streammodel.Fault{Kind: streammodel.LateRequest, Delay: a.d}) }
func (w *world) cut(action)         { w.next(streammodel.Fault{Kind: streammodel.CutLink}) }
func (w *world) cutAck(action)      { w.next(streammodel.Fault{Kind: streammodel.CutLinkAck}) }
func (w *world) cutBatch(a action) {
	w.next(streammodel.Fault{Kind: streammodel.CutBatch, Sent: a.n})
}
func (w *world) cutInside(a action) {
	w.next(streammodel.Fault{Kind: streammodel.CutInside, Sent: a.n})
}
func (w *world) between(a action) {
	w.next(streammodel.Fault{Kind: streammodel.Between, Sent: a.n, Other: w.otherMessage()})
}

func (w *world) readFails(a action) {
	if w.bridge != nil {
		w.link.NextRead(streammodel.ReadFault{Fail: true, After: a.n - 1})
	}
}

// The server.

func (w *world) serverStop(action)  { w.truth.recovery(); w.model.Stop(); w.disturb() }
func (w *world) serverStart(action) { w.truth.recovery(); w.model.Start(); w.disturb() }
func (w *world) serverFlush(action) { w.model.Flush() }
func (w *world) noLeader(action)    { w.model.NoLeader(); w.disturb() }
func (w *world) elect(action)       { w.truth.recovery(); w.model.Elect(); w.disturb() }
func (w *world) breakStore(action)  { w.model.BreakStore(); w.disturb() }

func (w *world) powerLoss(a action) {
	w.truth.loss()
	w.model.PowerLoss(uint64(a.n))
	w.model.Start()
	w.disturb()
}

// fallBack never takes what was in the stream before the bridge came.
func (w *world) fallBack(a action) {
	w.truth.loss()
	w.model.FallBack(a.n, a.n%2 == 0)
	w.model.Start()
	w.disturb()
}

func (w *world) backup(action) { w.copied = w.model.Backup() }

func (w *world) restore(action) {
	if w.copied == nil {
		return
	}
	w.truth.loss()
	w.model.Restore(w.copied)
	w.model.Start()
	w.disturb()
}

func (w *world) recreate(action) {
	w.truth.loss()
	w.model.DeleteStream()
	w.model.Create()
	w.copied = nil
	w.disturb()
}

func (w *world) dropStream(action) {
	w.truth.loss()
	w.model.DeleteStream()
	w.copied = nil
	w.disturb()
}

func (w *world) purge(a action) {
	if w.model.Last() > uint64(a.n) && a.n < 3 {
		w.model.Purge(w.model.Last() - uint64(a.n))
		return
	}
	w.model.Purge(0)
}

func (w *world) deleteOne(a action) {
	if msgs := w.model.Messages(); len(msgs) >= a.n && a.n > 0 {
		w.model.Delete(msgs[len(msgs)-a.n].Seq)
	}
}

func (w *world) full(action) {
	w.model.Configure(func(c *streammodel.Config) { c.MaxMsgs, c.DiscardOld = max(len(w.model.Messages()), 1), false })
	w.disturb()
}

func (w *world) oldestGo(action) {
	w.truth.dropsOldest()
	w.model.Configure(func(c *streammodel.Config) { c.MaxMsgs, c.DiscardOld = max(len(w.model.Messages())-2, 1), true })
}

// narrow lets the stream take less than the bridge publishes.
func (w *world) narrow(action) {
	w.model.Configure(func(c *streammodel.Config) { c.Subjects, c.MaxMsgSize = []string{w.prefix + ".x"}, 1000 })
	w.disturb()
}

func (w *world) noBatches(action) {
	w.model.Configure(func(c *streammodel.Config) { c.Batches, c.Fast = false, false })
}

func (w *world) noFast(action) {
	w.model.Configure(func(c *streammodel.Config) { c.Fast = false })
}

// wide gives the stream the configuration that it should have.
func (w *world) wide(action) {
	w.model.Configure(func(c *streammodel.Config) { *c = w.config() })
	w.disturb()
}

// others lets somebody else write to the stream.
func (w *world) others(a action) {
	for range a.n {
		m := w.otherMessage()
		w.model.Write(m.Subject, m.ID)
	}
}

func (w *world) otherMessage() broker.Message {
	w.truth.other++
	return broker.Message{Subject: w.prefix + ".x", ID: fmt.Sprintf("other-%d", w.truth.other)}
}

// mend makes everything well, and lets the bridge work until it must be done.
func (w *world) mend() {
	w.log("mend")
	w.disk.setCapacity(0)
	w.disk.crashIn = 0
	w.up = true
	w.model.Create()
	if !w.model.Healthy() {
		w.model.Stop()
		w.model.Start()
	}
	w.wide(action{})
	if w.bridge == nil {
		w.startBridge(action{})
	}
	if w.bridge == nil {
		w.truth.fail("the bridge does not start")
		return
	}
	w.link.SetUp(true)
	w.link.NoFaults()
	w.disturb()
	for until := w.quiet + stall + time.Second; w.passed < until && !w.truth.failed(); {
		w.run(action{d: 5 * time.Second})
		if w.bridge != nil && w.bridge.Account().Pending == 0 && w.seen() && w.bridge.Problem() == "" {
			break
		}
	}
	w.run(action{d: simVerify + 5*time.Second})
	w.calm = true
	w.run(action{d: simVerify + 5*time.Second})
	if !w.o.brief && !w.truth.jumped {
		w.run(action{d: simRetain + 2*time.Minute})
	}
}

// watched lets the truth see what is asked and answered.
type watched struct {
	*streammodel.Client
	w *world
}

// Publish tells the truth what was acknowledged.
func (s watched) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	r := s.Client.Publish(ctx, msgs)
	s.w.log("  publish %d from %s: %v %d", len(msgs), msgs[0].ID, r.Status, r.First)
	if r.Status == broker.Stored {
		s.w.truth.acknowledged(msgs)
	}
	return r
}

// PublishFast is Publish.
func (s watched) PublishFast(ctx context.Context, msgs []broker.Message) broker.Result {
	r := s.Client.PublishFast(ctx, msgs)
	s.w.log("  publish %d from %s fast: %v %d to %d", len(msgs), msgs[0].ID, r.Status, r.Count, r.Last)
	s.w.truth.acknowledged(msgs[:r.Count])
	return r
}

// IDs notices a scan of what cannot concern the bridge.
func (s watched) IDs(ctx context.Context, from, to uint64) iter.Seq2[At, error] {
	s.w.log("  ids %d to %d", from, to)
	if from <= simBacklog && !s.w.truth.anew {
		s.w.truth.fail("the stream is read from %d, though nothing of the bridge is below %d", from, simBacklog+1)
	}
	return s.Client.IDs(ctx, from, to)
}

var _ Stream = watched{}
