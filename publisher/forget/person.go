package forget

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Person is who is to be forgotten. It learns the sessions of the person from the
// messages that it is shown; so one that was shown before must be shown again. One
// goroutine may use it at a time.
type Person struct {
	number   *number // nil: only sessions are known
	sessions map[string]bool
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
func ByPhone(phone string) (*Person, bool) {
	e164, ok := schema.ParsePhone(phone)
	if !ok {
		return nil, false
	}
	return &Person{number: newNumber(e164), sessions: map[string]bool{}}, true
}

// ByID returns the person of a session.
func ByID(session string) *Person {
	return &Person{sessions: map[string]bool{session: true}}
}

// Phone returns the number as the bridge writes it into data.phone, or "".
func (p *Person) Phone() string {
	if p.number == nil {
		return ""
	}
	return p.number.e164
}

// Sessions returns the sessions that are known, in order.
func (p *Person) Sessions() []string { return slices.Sorted(maps.Keys(p.sessions)) }

// Learn adds sessions.
func (p *Person) Learn(sessions ...string) {
	for _, s := range sessions {
		if s != "" {
			p.sessions[s] = true
		}
	}
}

// Match tells whether a message is of the person, and learns from it. All that is
// kept of a message counts: its headers too, what JSON or a URL escapes, and
// raw_base64. It need not be an event, nor JSON.
func (p *Person) Match(header map[string][]string, data []byte) Match {
	texts := readings(header, data)
	event, decoded := schema.Event{}, false
	decode := func() {
		if !decoded {
			event, _ = schema.Decode(data) // of anything else than an event nothing is known
			decoded = true
		}
	}
	phone := func() string {
		decode()
		if event.Data == nil {
			return ""
		}
		return event.Data.Base().Phone
	}
	if p.number != nil && p.number.in(texts, phone) {
		// A number that is only mentioned in the talk of somebody else says nothing of
		// the rest of that talk.
		if other := phone(); other == "" || other == p.number.e164 {
			p.Learn(sessionsIn(texts)...)
			p.Learn(event.Subject)
		}
		return ByNumber
	}
	for session := range p.sessions {
		if !slices.ContainsFunc(texts, func(t []byte) bool { return bytes.Contains(t, []byte(session)) }) {
			continue
		}
		if decode(); event.Subject == session || event.Data != nil && event.Data.Base().SessionID == session {
			return BySession
		}
		if slices.ContainsFunc(texts, func(t []byte) bool { return tokenIn(t, session) }) {
			return BySession
		}
	}
	return No
}

// shortSession is the length from which a session id is looked for anywhere. A
// shorter one, such as "1234", counts only where a session stands.
const shortSession = 8

// tokenIn reports whether a session stands in a text as a whole.
func tokenIn(text []byte, session string) bool {
	if len(session) < shortSession {
		return slices.Contains(sessionsIn([][]byte{text}), session)
	}
	for rest := text; ; {
		i := bytes.Index(rest, []byte(session))
		if i < 0 {
			return false
		}
		end := i + len(session)
		if (i == 0 || !inToken(rest[i-1])) && (end == len(rest) || !inToken(rest[end])) {
			return true
		}
		rest = rest[i+1:]
	}
}

func inToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_'
}

// sessionKeys are the names that Treble and the bridge have for a session's id.
var sessionKeys = []string{"session_id", "session_external_id", "external_id"}

// sessionsIn returns the values of the keys that name a session, in text that need
// not be JSON as a whole.
func sessionsIn(texts [][]byte) []string {
	var found []string
	for _, text := range texts {
		for _, key := range sessionKeys {
			quoted := []byte(`"` + key + `"`)
			for rest := text; ; {
				i := bytes.Index(rest, quoted)
				if i < 0 {
					break
				}
				rest = rest[i+len(quoted):]
				value := bytes.TrimLeft(rest, " \t\r\n:")
				value, quotedValue := bytes.CutPrefix(value, []byte(`"`))
				stop := ",}] \t\r\n"
				if quotedValue {
					stop = `"\`
				}
				if end := bytes.IndexAny(value, stop); end > 0 && end <= 256 {
					found = append(found, strings.Clone(string(value[:end])))
				}
			}
		}
	}
	return slices.DeleteFunc(found, func(s string) bool { return s == "null" })
}
