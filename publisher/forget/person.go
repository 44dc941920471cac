package forget

import (
	"maps"
	"slices"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// Person matches the messages of the person to forget. It learns the sessions of the person from
// the messages that it is shown; so one that was shown before must be shown again until Version
// stays the same. One goroutine may use it at a time.
type Person struct {
	number        *phone.Sought // nil: only sessions are known
	given         map[string]bool
	learned       map[string]bool
	shared        map[string]bool // was learned, and turned out to be of another number too
	version       int
	learnsNothing bool // Match learns nothing
}

// Match says why a message is of a person.
type Match int

// The reasons, the strongest first.
const (
	No        Match = iota
	ByNumber        // the number is in it
	BySession       // it is of the same session as one that the number is in, or of the session that was asked for
)

// ByPhone returns the person with a telephone number, in the international form.
// The bool is false if it is none.
func ByPhone(number string) (*Person, bool) {
	e164, ok := phone.Parse(number)
	if !ok {
		return nil, false
	}
	p := ByID()
	p.number = phone.Seek(e164)
	return p, true
}

// ByID returns the person of some sessions.
func ByID(sessions ...string) *Person {
	p := &Person{given: map[string]bool{}, learned: map[string]bool{}, shared: map[string]bool{}}
	p.Give(sessions...)
	return p
}

// Give adds sessions that are the person's, whatever number their messages have.
func (p *Person) Give(sessions ...string) {
	for _, s := range sessions {
		p.given[s] = true
	}
}

// Version grows with each thing that is learned.
func (p *Person) Version() int { return p.version }

// Sessions returns the sessions that are taken for the person's, in order.
func (p *Person) Sessions() []string {
	all := maps.Clone(p.given)
	maps.Copy(all, p.learned)
	return slices.Sorted(maps.Keys(all))
}

// Shared returns the number of sessions that are not, although the number is in a message of them:
// they belong to another number too, such as a placeholder.
func (p *Person) Shared() int { return len(p.shared) }

func (p *Person) learn(sessions ...string) {
	for _, s := range sessions {
		if s != "" && !p.learnsNothing && !p.given[s] && !p.shared[s] && !p.learned[s] {
			p.learned[s] = true
			p.version++
		}
	}
}

func (p *Person) share(session string) {
	if !p.shared[session] {
		delete(p.learned, session)
		p.shared[session] = true
		p.version++
	}
}

// MatchLater matches a message that came after the search had begun. No session is learned
// from it, or a search might not end while more come; it still tells that one is of another
// number too.
func (p *Person) MatchLater(header map[string][]string, data []byte) Match {
	p.learnsNothing = true
	defer func() { p.learnsNothing = false }()
	return p.Match(header, data)
}

// Match reports whether a message is of the person, and learns from it. All that is
// kept of a message counts: its headers too, what JSON or a URL escapes, and
// raw_base64. It need not be an event, nor JSON.
func (p *Person) Match(header map[string][]string, data []byte) Match {
	m := scanned{texts: decodings(header, data), data: data}
	if p.number != nil && m.holds(p.number) {
		// A number that is only mentioned in the session of another person says nothing of
		// the rest of that talk.
		if other := m.phone(); other == "" || p.number.Is(other) {
			p.learn(sessionsIn(m.texts)...)
			p.learn(m.event().Subject)
		}
		return ByNumber
	}
	for s := range p.given {
		if m.names(s) {
			return BySession
		}
	}
	found := No
	for s := range p.learned {
		switch {
		case !m.names(s):
		case m.phone() == "":
			found = BySession
		case m.isOf(s):
			p.share(s)
		}
	}
	return found
}
