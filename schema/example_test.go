package schema_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// A consumer switches on the type of the payload.
func ExampleDecode() {
	message := schematest.Envelope(schema.KindMessageResponded, schematest.Session("s1")) // the data of a NATS message
	e, err := schema.Decode(message)
	if err != nil {
		fmt.Println("no event:", err) // receiving it again will not help
		return
	}
	switch p := e.Data.(type) {
	case *schema.MessageResponded:
		fmt.Printf("%s: %q means %s\n", e.Subject, p.ActualResponse, p.ClassifiedAnswer)
		fmt.Println("name is", p.SessionKeys["name"].Text)
	case *schema.BridgeProbe: // the bridge tested itself
	default:
		fmt.Println("not for us:", e.Kind)
	}
	// Output:
	// s1: "yes, please" means Yes
	// name is Ana
}

// What a later bridge publishes is read by a consumer of today: new kinds and new
// fields do no harm, and another version is told.
func ExampleDecode_newer() {
	later := func(old, new string) []byte {
		return bytes.ReplaceAll(schematest.Envelope(schema.KindMessageRead, schematest.Session("s1")), []byte(old), []byte(new))
	}
	e, err := schema.Decode(later(`"data":{`, `"data":{"added":1,`))
	fmt.Printf("%T %v\n", e.Data, err)

	e, err = schema.Decode(later("message.read", "message.reacted"))
	fmt.Printf("%s %T %s %v\n", e.Kind, e.Data, e.Data.Base().SessionID, err)

	_, err = schema.Decode(later("message.read:1", "message.read:2"))
	fmt.Println(errors.Is(err, schema.ErrVersion))
	// Output:
	// *schema.MessageRead <nil>
	// message.reacted *schema.Unrecognized s1 <nil>
	// true
}
