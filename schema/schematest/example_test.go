package schematest_test

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// handle is a consumer to be tested: it reads the data of one message.
func handle(data []byte) string {
	e, err := schema.Decode(data)
	if err != nil {
		return "not an event"
	}
	switch p := e.Data.(type) {
	case *schema.MessageRead:
		return p.SessionID + " read " + p.SentText
	case *schema.ConversationClosed:
		return fmt.Sprintf("%s closed with %d messages", p.SessionID, len(p.Messages))
	}
	return "ignored " + string(e.Kind)
}

// A consumer is tested without a bridge and without NATS.
func ExampleEnvelope() {
	fmt.Println(handle(schematest.Envelope(schema.KindMessageRead, schematest.Session("s1"))))
	fmt.Println(handle(schematest.Envelope(schema.KindConversationClosed, schematest.Session("s1"))))
	fmt.Println(handle(schematest.Envelope(schema.KindBridgeProbe)))
	// Output:
	// s1 read Shall we go on?
	// s1 closed with 4 messages
	// ignored bridge.probe
}

// The same event twice, as after a nak, has the same id; another seed has
// another one.
func ExampleSeed() {
	first := schematest.Event(schema.KindMessageRead, schematest.Seed(1))
	again := schematest.Event(schema.KindMessageRead, schematest.Seed(1))
	other := schematest.Event(schema.KindMessageRead, schematest.Seed(2))
	fmt.Println(first.ID == again.ID, first.ID == other.ID)
	// Output: true false
}

// One talk: its events share the session and the person.
func ExampleEvent() {
	at := schematest.Epoch
	for _, k := range []schema.Kind{schema.KindMessageDelivered, schema.KindMessageRead, schema.KindMessageResponded} {
		at = at.Add(time.Minute)
		e := schematest.Event(k, schematest.Session("s1"), schematest.At(at))
		fmt.Println(schema.DefaultPrefix.Subject(e.Kind), e.Subject, e.Time.Format(time.TimeOnly))
	}
	// Output:
	// treble.message.delivered s1 03:05:05
	// treble.message.read s1 03:06:05
	// treble.message.responded s1 03:07:05
}

// A consumer should take every golden envelope.
func ExampleGolden() {
	err := fs.WalkDir(schematest.Golden(), "hsm.status_changed", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(schematest.Golden(), name)
		if err == nil {
			fmt.Println(name, handle(data))
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: hsm.status_changed/hsm-status-approved.json ignored hsm.status_changed
}
