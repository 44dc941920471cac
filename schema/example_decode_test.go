package schema_test

import (
	"fmt"

	"github.com/treble-bridge/treble-bridge/schema"
)

// printEvent shows how to get at what an event says. A kind that this version of
// the package does not know comes as [schema.Unrecognized] under its own name, so
// a consumer that ignores it keeps working when the bridge is newer.
func printEvent(e schema.Event) {
	switch data := e.Data.(type) {
	case *schema.MessageRead:
		fmt.Printf("%s read %q\n", data.SessionID, data.SentText)
	case *schema.MessageResponded:
		fmt.Printf("%s answered %q\n", data.SessionID, data.ActualResponse)
	default:
		fmt.Printf("%s: nothing to do for %s\n", data.Base().SessionID, e.Kind)
	}
}

func ExampleDecode() {
	published := func(body string) []byte { // what the bridge makes of a body
		d := schema.Parser{}.Parse([]byte(body), schema.Origin{Source: "default", Received: received})
		return must(d.Events[0].Encode())
	}
	for _, data := range [][]byte{published(bodyRead1), published(bodyResponded1), unknownKind(), []byte("hello")} {
		event, err := schema.Decode(data)
		if err != nil {
			fmt.Println(err)
			continue
		}
		printEvent(event)
	}
	// Output:
	// s-1 read "Still coming?"
	// s-1 answered "yes"
	// s-1: nothing to do for message.edited
	// decode envelope: invalid character 'h' looking for beginning of value
}
