// Package oracle holds what clients of a bridge were told against what is in the stream.
package oracle

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Oracle holds what clients were told against what is in the stream. Clients
// report each delivery before its first byte leaves and after its answer came;
// Check then knows what must be in the stream, what may be, and in which order.
//
// It has a clock of its own that counts these reports. A delivery that was
// answered at an earlier tick than another one was sent at was answered before
// the other one existed, on whichever connection. That is all it knows of order,
// and all that the bridge promises.
//
// Its methods may be called concurrently.
type Oracle struct {
	mu         sync.Mutex
	tick       int
	deliveries []*sentDelivery
	byID       map[string]*sentDelivery
	violations []string // what is wrong without looking at the stream
}

// sentDelivery is a request with the ids of its events; usually one.
type sentDelivery struct {
	oracle *Oracle
	ids    []string

	// Guarded by oracle.mu.
	sent     int // tick
	answered int // tick; 0 if no whole answer came
	status   int
}

// New returns an oracle that knows of no delivery.
func New() *Oracle { return &Oracle{byID: map[string]*sentDelivery{}} }

// send notes that a request with events of these ids is about to be sent. Every
// id is used once. Call it before the first byte can leave.
func (o *Oracle) send(ids ...string) *sentDelivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick++
	d := &sentDelivery{oracle: o, ids: ids, sent: o.tick}
	o.deliveries = append(o.deliveries, d)
	for _, id := range ids {
		if o.byID[id] != nil {
			o.violations = append(o.violations, id+" was sent twice by the test")
		}
		o.byID[id] = d
	}
	return d
}

// violation notes something that is wrong in itself.
func (o *Oracle) violation(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.violations = append(o.violations, what)
}

// answer notes that the whole answer was read. If it is never called, the
// request stays unanswered.
func (d *sentDelivery) answer(status int) {
	d.oracle.mu.Lock()
	defer d.oracle.mu.Unlock()
	d.oracle.tick++
	d.answered, d.status = d.oracle.tick, status
}

// Now returns the tick of the newest report.
func (o *Oracle) Now() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tick
}

// AcceptedSince counts the deliveries that were sent after a tick and answered
// 200.
func (o *Oracle) AcceptedSince(tick int) int {
	return o.count(func(d *sentDelivery) bool { return d.sent > tick && d.status == http.StatusOK })
}

// UnavailableSince counts the deliveries that were sent after a tick and answered 503.
func (o *Oracle) UnavailableSince(tick int) int {
	return o.count(func(d *sentDelivery) bool { return d.sent > tick && d.status == http.StatusServiceUnavailable })
}

// OpenAt counts the deliveries that were sent between two ticks and not
// answered up to now.
func (o *Oracle) OpenAt(from, to int) int {
	return o.count(func(d *sentDelivery) bool { return d.sent > from && d.sent <= to && d.answered == 0 })
}

func (o *Oracle) count(match func(*sentDelivery) bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, d := range o.deliveries {
		if match(d) {
			n++
		}
	}
	return n
}

// Check returns what is wrong with the ids of a stream, in its order; nothing
// if the promise was kept. No request may be on its way.
//
//   - Answered 200: each event is there exactly once.
//   - Unanswered, or 504: all events of the delivery once, or none.
//   - Any other answer: none.
//   - Answered 200 before another one was sent: it comes first.
//   - The events of a delivery are in their order.
//   - Nothing else is there.
func (o *Oracle) Check(stream []string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	wrong := slices.Clone(o.violations)
	place := map[string]int{} // of the first copy, from 1
	copies := map[string]int{}
	for i, id := range stream {
		if copies[id]++; copies[id] == 1 {
			place[id] = i + 1
		}
	}
	for _, id := range slices.Sorted(maps.Keys(copies)) {
		if o.byID[id] == nil {
			wrong = append(wrong, fmt.Sprintf("unknown: %s is in the stream, and nobody sent it", id))
		}
	}
	for _, d := range o.deliveries {
		wrong = append(wrong, d.checkCopies(copies)...)
		wrong = append(wrong, d.checkInside(place)...)
	}
	return append(wrong, o.checkOrder(stream, place)...)
}

// CheckParts is Check for a stream of which JetStream lost something in the middle: what
// is published again cannot go back to its place, so order is wanted inside each part.
func (o *Oracle) CheckParts(parts ...[]string) []string {
	wrong := slices.DeleteFunc(o.Check(slices.Concat(parts...)), func(w string) bool { return strings.HasPrefix(w, "order: ") })
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, part := range parts {
		place := map[string]int{}
		for i, id := range part {
			if place[id] == 0 {
				place[id] = i + 1
			}
		}
		wrong = append(wrong, o.checkOrder(part, place)...)
	}
	return wrong
}

// checkCopies holds the number of copies against the answer.
func (d *sentDelivery) checkCopies(copies map[string]int) []string {
	var wrong []string
	there := 0
	for _, id := range d.ids {
		n := copies[id]
		there += min(n, 1)
		switch {
		case n > 1:
			wrong = append(wrong, fmt.Sprintf("double: %s, %s, is there %d times", id, d.answerText(), n))
		case d.status == http.StatusOK && n == 0:
			wrong = append(wrong, fmt.Sprintf("lost: %s, %s, is not there", id, d.answerText()))
		case d.refused() && n > 0:
			wrong = append(wrong, fmt.Sprintf("refused: %s, %s, is there", id, d.answerText()))
		}
	}
	if d.status != http.StatusOK && !d.refused() && there > 0 && there < len(d.ids) {
		wrong = append(wrong, fmt.Sprintf("torn: of the %d events from %s on, %s, %d are there", len(d.ids), d.ids[0], d.answerText(), there))
	}
	return wrong
}

// checkInside wants the events of a delivery in their order.
func (d *sentDelivery) checkInside(place map[string]int) []string {
	for i, id := range d.ids[1:] {
		if before := place[d.ids[i]]; before > 0 && place[id] > 0 && place[id] < before {
			return []string{fmt.Sprintf("order: %s comes before %s of the same delivery", id, d.ids[i])}
		}
	}
	return nil
}

// checkOrder goes through the first copies from the end. None may have been
// sent after one that comes later in the stream was answered.
func (o *Oracle) checkOrder(stream []string, place map[string]int) []string {
	var wrong []string
	var first *sentDelivery // of the deliveries behind, the one that was answered first
	for i := len(stream) - 1; i >= 0; i-- {
		d := o.byID[stream[i]]
		if d == nil || place[stream[i]] != i+1 {
			continue
		}
		if first != nil && first.answered < d.sent {
			wrong = append(wrong, fmt.Sprintf("order: %s comes before %s, which was answered before it was sent", stream[i], first.ids[0]))
		}
		if d.status == http.StatusOK && (first == nil || d.answered < first.answered) {
			first = d
		}
	}
	return wrong
}

func (d *sentDelivery) refused() bool {
	return d.answered > 0 && d.status != http.StatusOK && d.status != http.StatusGatewayTimeout
}

func (d *sentDelivery) answerText() string {
	if d.answered == 0 {
		return "unanswered"
	}
	return fmt.Sprintf("answered %d", d.status)
}

// Totals count deliveries by what became of them.
type Totals struct {
	requests, Unanswered int
	byStatus             map[int]int
}

// Totals counts what was reported up to now.
func (o *Oracle) Totals() Totals {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := Totals{requests: len(o.deliveries), byStatus: map[int]int{}}
	for _, d := range o.deliveries {
		if d.answered == 0 {
			t.Unanswered++
		} else {
			t.byStatus[d.status]++
		}
	}
	return t
}

// Add adds the counts of another round.
func (t *Totals) Add(other Totals) {
	if t.byStatus == nil {
		t.byStatus = map[int]int{}
	}
	t.requests += other.requests
	t.Unanswered += other.Unanswered
	for status, n := range other.byStatus {
		t.byStatus[status] += n
	}
}

func (t Totals) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests", t.requests)
	for _, status := range slices.Sorted(maps.Keys(t.byStatus)) {
		fmt.Fprintf(&b, ", %d answered %d", t.byStatus[status], status)
	}
	fmt.Fprintf(&b, ", %d unanswered", t.Unanswered)
	return b.String()
}

// Report fails the test with the first problems that Check found.
func Report(t *testing.T, wrong []string) {
	t.Helper()
	const most = 20
	for i, w := range wrong {
		if i == most {
			t.Errorf("and %d more", len(wrong)-most)
			return
		}
		t.Error(w)
	}
}
