package events

import (
	"cmp"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// mark names an oddity of an event in a timeline. The words are part of the JSON
// form.
type mark string

const (
	markBeforeDelivered mark = "before-delivered"
	markBeforeRead      mark = "before-read"
	markNotDelivered    mark = "not-delivered"
	markAfterClosed     mark = "after-closed"
	markLate            mark = "late"
	markRepeated        mark = "repeated"
	markNoTime          mark = "no-time"
)

// moment is an event at its place in a timeline.
type moment struct {
	client.Message
	event schema.Event
	gap   time.Duration // since the one before
	marks []mark
}

// timeOfItsOwn reports whether Treble said when it happened.
func (m moment) timeOfItsOwn() bool { return !m.event.Time.Equal(m.event.ReceivedTime) }

// newTimeline puts events in the order in which they happened, and marks what is
// odd. Events of the same time stay in the order of the stream. What is no event of
// the bridge is left out.
func newTimeline(found []client.Message) []moment {
	var line []moment
	for _, s := range found {
		if e, err := schema.Decode(s.Data); err == nil {
			line = append(line, moment{Message: s, event: e})
		}
	}
	slices.SortFunc(line, func(a, b moment) int {
		return cmp.Or(a.event.Time.Compare(b.event.Time), cmp.Compare(a.Sequence, b.Sequence))
	})
	for i := range line {
		if i > 0 {
			line[i].gap = line[i].event.Time.Sub(line[i-1].event.Time)
		}
	}
	markSteps(line)
	markClosed(line)
	markStorage(line)
	return line
}

// step is the state of a sent message that an event reports.
type step int

const (
	stepNone step = iota
	stepDelivered
	stepRead
	stepAnswered
)

// messageOf says which message an event is about, if it says so, and how far that
// is with it.
func messageOf(e schema.Event) (key string, at step) {
	of := func(sent *time.Time, text string, q *schema.Question) string {
		if text == "" && q != nil {
			text = q.Text
		}
		if sent == nil {
			return text
		}
		return sent.UTC().Format(time.RFC3339Nano) + " " + text
	}
	switch p := e.Data.(type) {
	case *schema.MessageDelivered:
		return of(p.SentAt, p.SentText, p.Question), stepDelivered
	case *schema.MessageRead:
		return of(p.SentAt, p.SentText, p.Question), stepRead
	case *schema.MessageResponded:
		return of(p.SentAt, p.SentText, p.Question), stepAnswered
	}
	return "", stepNone
}

// markSteps marks what a message did before its time. Where the session has no
// message.delivered at all, the flow does not send them, and none is missed.
func markSteps(line []moment) {
	last := map[string]map[step]time.Time{} // by message: the last time of each step
	deliveries := false
	for _, m := range line {
		key, at := messageOf(m.event)
		deliveries = deliveries || at == stepDelivered
		if key == "" || !m.timeOfItsOwn() {
			continue
		}
		if last[key] == nil {
			last[key] = map[step]time.Time{}
		}
		last[key][at] = m.event.Time
	}
	for i := range line {
		m := &line[i]
		key, at := messageOf(m.event)
		if key == "" || at == stepNone {
			continue
		}
		delivered, was := last[key][stepDelivered]
		switch {
		case at > stepDelivered && !was && deliveries:
			m.marks = append(m.marks, markNotDelivered)
		case at > stepDelivered && delivered.After(m.event.Time) && m.timeOfItsOwn():
			m.marks = append(m.marks, markBeforeDelivered)
		}
		if at > stepRead && last[key][stepRead].After(m.event.Time) && m.timeOfItsOwn() {
			m.marks = append(m.marks, markBeforeRead)
		}
	}
}

// markClosed marks what a person or a flow did in a conversation that was over. The
// status of a template may change long after it.
func markClosed(line []moment) {
	var closed time.Time
	for i := range line {
		m := &line[i]
		switch {
		case m.event.Kind == schema.KindConversationClosed:
			if closed.IsZero() {
				closed = m.event.Time
			}
		case !closed.IsZero() && m.event.Time.After(closed) && m.timeOfItsOwn() && m.event.Kind != schema.KindHSMStatusChanged:
			m.marks = append(m.marks, markAfterClosed)
		}
	}
}

// markStorage marks what the stream tells of an event besides: that it came late, or
// twice, or without a time.
func markStorage(line []moment) {
	times := map[string]int{}
	for _, m := range line {
		times[m.event.ID]++
	}
	lowest := uint64(0) // sequence of what happened later; 0: nothing did
	for i := len(line) - 1; i >= 0; i-- {
		m := &line[i]
		switch {
		case !m.timeOfItsOwn():
			m.marks = append(m.marks, markNoTime)
		case lowest > 0 && m.Sequence > lowest:
			m.marks = append(m.marks, markLate)
		}
		if m.timeOfItsOwn() && (lowest == 0 || m.Sequence < lowest) {
			lowest = m.Sequence
		}
		if times[m.event.ID] > 1 {
			m.marks = append(m.marks, markRepeated)
		}
	}
}

// missing are the kinds that one would expect in a session that is over.
func missing(line []moment) []schema.Kind {
	have := map[schema.Kind]bool{}
	for _, m := range line {
		have[m.event.Kind] = true
	}
	var kinds []schema.Kind
	if (have[schema.KindMessageRead] || have[schema.KindMessageResponded]) && !have[schema.KindMessageDelivered] {
		kinds = append(kinds, schema.KindMessageDelivered)
	}
	if !have[schema.KindConversationClosed] {
		kinds = append(kinds, schema.KindConversationClosed)
	}
	return kinds
}
