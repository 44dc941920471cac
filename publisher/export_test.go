package publisher

import (
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// What the tests, which are in package publisher_test, need of the inside: to wait until the
// bridge knows something, and to put a fault where no network or disk can be made to have it.

// MinJournal is the least that journal.max_bytes may be.
const MinJournal = minJournal

// WithCheckEvery sets the time between two checks of the streams, and for a loss.
func (o Options) WithCheckEvery(every time.Duration) Options { o.checkEvery = every; return o }

// WithJournalFS puts the journal of the events on another file system.
func (o Options) WithJournalFS(fs journal.FS) Options { o.journalFS = fs; return o }

// WithStream puts something in front of the event stream.
func (o Options) WithStream(wrap func(outbox.Stream) outbox.Stream) Options {
	o.stream = wrap
	return o
}

// Conn is the connection to NATS.
func (p *Publisher) Conn() *broker.Conn { return p.conn }

// Events is the outbox of the events; nil with "ack: stream" where there never was a journal.
func (p *Publisher) Events() *outbox.Outbox { return p.events }

// Refused is the outbox of the bodies that were refused.
func (p *Publisher) Refused() *outbox.Outbox { return p.quarantine.Journal() }

// Outboxes are both of them.
func (p *Publisher) Outboxes() []*outbox.Outbox { return p.outboxes() }

// Streams compares the streams with what they have to be like.
func (p *Publisher) Streams() *streams.Monitor { return p.streams }

// Limit is the largest message that NATS takes, as far as is known.
func (p *Publisher) Limit() int64 { return p.limit() }

// Encode makes the message of an event, as Accept does.
func (p *Publisher) Encode(e schema.Event) (broker.Message, error) {
	return new(encoder).message(p.prefix, e)
}

// Findings returns what was wrong with the streams at the last check.
func (p *Publisher) Findings() []streams.Finding {
	findings, _, _ := p.streams.State()
	return findings
}
