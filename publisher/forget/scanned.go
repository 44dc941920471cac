package forget

import (
	"bytes"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// scanned is a message that is being looked at.
type scanned struct {
	texts   [][]byte
	data    []byte
	decoded bool
	e       schema.Event // the zero value if it is none
}

func (m *scanned) event() schema.Event {
	if !m.decoded {
		m.e, _ = schema.Decode(m.data) // of anything else than an event nothing is known
		m.decoded = true
	}
	return m.e
}

// phone is the number of the event, or "".
func (m *scanned) phone() string {
	if e := m.event(); e.Data != nil {
		return client.PhoneOf(e)
	}
	return ""
}

// holds reports whether a number stands in it. Where the country code and the rest stand
// apart, the rest may be that of another number of another country; and so may all digits
// together: +1 512 345 6789 is 1512 3456789 in Germany.
func (m *scanned) holds(n *phone.Sought) bool {
	var seen phone.Seen
	for _, t := range m.texts {
		if seen |= n.In(t); seen&phone.Whole != 0 {
			return !n.EndsAbroad(m.phone())
		}
	}
	if seen&phone.Apart != phone.Apart {
		return false
	}
	of := m.phone()
	return of == "" || n.Is(of) || !n.Ends(of)
}

// isOf reports whether it is an event of a session.
func (m *scanned) isOf(session string) bool {
	e := m.event()
	return e.Subject == session || e.Data != nil && e.Data.Base().SessionID == session
}

// names reports whether a session stands in it.
func (m *scanned) names(session string) bool {
	for _, t := range m.texts {
		if bytes.Contains(t, []byte(session)) {
			return m.isOf(session) || slices.ContainsFunc(m.texts, func(t []byte) bool { return tokenIn(t, session) })
		}
	}
	return false
}
