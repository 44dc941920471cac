package client

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// Filter chooses stored events. Its parts must all apply; an empty one always
// does. Kinds, Since and FromSeq are left to the server, the others are looked
// at here.
type Filter struct {
	Kinds        []schema.Kind // any of them
	Session      string        // its id
	Conversation string        // its id
	Phone        string        // in E.164; see schema.ParsePhone
	Source       string        // name of a configured source
	ID           string        // of the envelope
	Since        time.Time     // stored at or after it
	Until        time.Time     // stored before it
	FromSeq      uint64
	ToSeq        uint64 // the last one; 0: the last that is in the stream at the beginning
}

// MatchKinds returns the kinds that patterns name: "message.read", or with a *
// in place of one part, such as "message.*" and "*.closed".
func MatchKinds(patterns []string) ([]schema.Kind, error) {
	var kinds []schema.Kind
	for _, pattern := range patterns {
		found := false
		for _, k := range schema.Kinds() {
			if matchTokens(pattern, string(k)) {
				found = true
				if !slices.Contains(kinds, k) {
					kinds = append(kinds, k)
				}
			}
		}
		if !found {
			if _, err := schema.ParseKind(pattern); err != nil {
				return nil, fmt.Errorf("%w, or a pattern such as message.*", err)
			}
		}
	}
	return kinds, nil
}

// matchTokens compares as NATS does for subjects: * is one part, and > at the end
// the rest.
func matchTokens(pattern, name string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(name, ".")
	for i, w := range want {
		if w == ">" && i == len(want)-1 {
			return len(have) > i
		}
		if i >= len(have) || w != "*" && w != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

// Subjects returns the subjects of the events that may be chosen.
func (f Filter) Subjects(p schema.Prefix) []string {
	if len(f.Kinds) == 0 {
		return []string{p.All()}
	}
	var all []string
	for _, k := range f.Kinds {
		all = append(all, p.Subject(k))
	}
	return all
}

// inside reports whether the filter has parts that need the envelope.
func (f Filter) inside() bool {
	return f.Session != "" || f.Conversation != "" || f.Phone != "" || f.Source != ""
}

// CountedByServer reports whether the number of chosen events is the difference of
// two positions in the stream, so that they need not be read to be counted.
func (f Filter) CountedByServer() bool {
	return !f.inside() && f.ID == "" && (f.FromSeq == 0 || f.Since.IsZero()) && (f.ToSeq == 0 || f.Until.IsZero())
}

// Match reports whether a stored message is chosen. What is no event of the bridge
// is not: skipped says that it would be for all that is known of it.
func (f Filter) Match(s Message) (chosen, skipped bool) {
	if !f.here(s) {
		return false, false
	}
	if !f.inside() {
		chosen = s.IsEvent()
		return chosen, !chosen
	}
	if !f.mayMatch(s.Data) {
		return false, false
	}
	e, err := schema.Decode(s.Data)
	if err != nil {
		return false, false // its session and its person cannot be read
	}
	base := e.Data.Base()
	return (f.Session == "" || e.Subject == f.Session || base.SessionID == f.Session) &&
		(f.Conversation == "" || base.ConversationID == f.Conversation) &&
		(f.Phone == "" || phone.Seek(f.Phone).Is(PhoneOf(e))) &&
		(f.Source == "" || e.Source == f.Source), false
}

// here reports whether a message is where chosen events are, by what need not be decoded.
func (f Filter) here(s Message) bool {
	if s.Sequence < f.FromSeq || f.ToSeq > 0 && s.Sequence > f.ToSeq ||
		s.Stored.Before(f.Since) || !f.Until.IsZero() && !s.Stored.Before(f.Until) {
		return false
	}
	if f.ID != "" && !slices.Contains(s.Header[schema.HeaderMsgID], f.ID) {
		return false
	}
	return len(f.Kinds) == 0 || slices.ContainsFunc(f.Kinds, func(k schema.Kind) bool { return strings.HasSuffix(s.Subject, "."+string(k)) })
}

// mayMatch reports false for most envelopes that are not chosen, without decoding them,
// which takes far longer: what is looked for is not in them as text.
func (f Filter) mayMatch(envelope []byte) bool {
	for _, want := range []string{f.Session, f.Conversation, f.Source} {
		if writtenAsIs(want) && !bytes.Contains(envelope, []byte(want)) {
			return false
		}
	}
	return f.Phone == "" || mayHold(envelope, phone.Seek(f.Phone))
}

// mayHold reports false for most envelopes of other numbers. An event of an earlier
// version may have the number in another form, or only as it was received.
func mayHold(envelope []byte, number *phone.Sought) bool {
	normalised, _, _ := bytes.Cut(envelope, []byte(`"raw":`))
	if bytes.Contains(normalised, []byte(`"phone":"+`)) {
		return bytes.Contains(normalised, []byte(number.Ending()))
	}
	return slices.ContainsFunc(phone.Readings(envelope), func(text []byte) bool { return number.In(text)&(phone.Whole|phone.Rest) != 0 })
}

// writtenAsIs reports whether JSON has no other way to write a text that an encoder
// would choose.
func writtenAsIs(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) < 0
}

// Select yields the chosen events, in the order of the stream, and ends behind the last, or
// with an error. Events that are stored while it reads are not among them, so that it ends
// however fast they come. It adds to skipped, unless that is nil, the messages that are no
// events of the bridge; see Filter.Match.
func (c *Client) Select(ctx context.Context, f Filter, skipped *int64) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		last, err := c.lastSequence(ctx)
		if err != nil {
			yield(Message{}, err)
			return
		}
		if f.ToSeq == 0 || f.ToSeq > last {
			f.ToSeq = last
		}
		if f.FromSeq > f.ToSeq {
			return
		}
		o := FollowOptions{
			Subjects: f.Subjects(c.Prefix()), FromSeq: f.FromSeq, ToSeq: f.ToSeq, Since: f.Since, FromStart: f.Since.IsZero(), StopAtEnd: true,
		}
		for m, err := range c.Follow(ctx, o) {
			if err != nil {
				yield(Message{}, err)
				return
			}
			chosen, skip := f.Match(m)
			if skip && skipped != nil {
				*skipped++
			}
			if chosen && !yield(m, nil) {
				return
			}
			if !f.Until.IsZero() && !m.Stored.Before(f.Until) {
				return
			}
		}
	}
}

// lastSequence returns the sequence of the newest message in the event stream.
func (c *Client) lastSequence(ctx context.Context) (uint64, error) {
	s, err := c.Stream(ctx, string(c.opts.Events))
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.LastSeq, nil
}
