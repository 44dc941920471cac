// Package schematest makes valid events for the tests of consumers. They come
// out of the parser of package schema, so an event is what a bridge would
// publish for the body that Treble would send: normalised fields, raw, id and
// all. It imports nothing but the standard library and schema.
//
// [Event] makes an event of a kind with every field that Treble documents for
// it. The same arguments give the same bytes; another [Seed] gives another event.
//
// [Golden] has envelopes of the bodies in Treble's documentation, one a file,
// for tests in any language.
package schematest

import (
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Epoch is the default time of an event.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// Option changes what an event is made of.
type Option func(*options)

type options struct {
	seed    uint64
	session *string // nil: one of its own
	at      time.Time
	source  string
	testRun string

	// What the seed makes.
	random    *rand.Rand
	eventID   string
	cellphone string
}

// Seed makes another event: ids, session and telephone number are others for
// each seed, and the same for the same. Without it the seed is 0.
func Seed(n uint64) Option { return func(o *options) { o.seed = n } }

// Session puts the event into a session, instead of one of its own.
func Session(id string) Option { return func(o *options) { o.session = &id } }

// At says when the event happened, instead of at the Epoch. It is received a
// tenth of a second later; a kind whose body holds no time has that as its time.
func At(t time.Time) Option { return func(o *options) { o.at = t.UTC() } }

// Source names the source of the bridge that took the event, instead of
// "default".
func Source(name string) Option { return func(o *options) { o.source = name } }

// TestRun marks the event as one of a run of "treble-bridge send".
func TestRun(run string) Option { return func(o *options) { o.testRun = run } }

// hex returns n random bytes in hex.
func (o *options) hex(n int) string { return hex.EncodeToString(o.bytes(n)) }

func (o *options) bytes(n int) []byte {
	var b []byte
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, o.random.Uint64())
	}
	return b[:n]
}

// newOptions applies all of them, in whichever order they stand.
func newOptions(all []Option) *options {
	o := &options{at: Epoch, source: "default"}
	for _, option := range all {
		option(o)
	}
	o.random = rand.New(rand.NewPCG(o.seed, 0))
	session := o.hex(28)
	if o.session == nil {
		o.session = &session
	}
	o.eventID = o.hex(12)
	o.cellphone = fmt.Sprintf("3%09d", o.random.IntN(1e9))
	return o
}

// Event returns a valid event of a kind. It panics if there is no such kind, or
// if an option asks for what a bridge would refuse, such as an empty session.
func Event(k schema.Kind, opts ...Option) schema.Event {
	o := newOptions(opts)
	d := delivery.Parser{}.Parse(body(k, o), delivery.Origin{
		Source: o.source, Path: "/webhook", Received: o.at.Add(100 * time.Millisecond), TestRun: o.testRun,
	})
	if d.Rejection != nil {
		panic(fmt.Sprintf("schematest: %s: %+v", k, d.Rejection.Violations))
	}
	e := d.Events[0]
	if e.DedupeKey == schema.DedupeNone {
		e.ID = o.id() // the parser's is random
	}
	return e
}

// Envelope returns the event as it is published, the data of its message. The
// headers are those of [schema.Event.Header].
func Envelope(k schema.Kind, opts ...Option) []byte {
	b, err := Event(k, opts...).Encode()
	if err != nil {
		panic("schematest: " + err.Error()) // not reached: the parser made it
	}
	return b
}

// Body returns the body that Treble would send for the event that the same
// arguments give: for a test that posts to a bridge.
func Body(k schema.Kind, opts ...Option) []byte { return body(k, newOptions(opts)) }

func body(k schema.Kind, o *options) []byte {
	form, ok := bodies[k]
	if !ok {
		panic(fmt.Sprintf("schematest: there is no kind %q", k))
	}
	b, err := json.Marshal(form(o))
	if err != nil {
		panic("schematest: " + err.Error()) // not reached: texts, numbers and maps of them
	}
	return b
}

// id is in the form of a random id.
func (o *options) id() string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(o.bytes(16)))
}
