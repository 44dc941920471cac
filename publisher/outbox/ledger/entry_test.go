package ledger

import (
	"reflect"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

func FuzzDecodeEntry(f *testing.F) {
	at := time.UnixMilli(1_760_000_000_123)
	f.Add(encodePlain(at, []broker.Message{{Subject: "a.b", ID: "id", Header: broker.Header{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}, {Name: "B", Value: "x"}}, Data: []byte("{}")}}))
	f.Add(encodePlain(time.Time{}, make([]broker.Message, 3)))
	f.Add([]byte{timelessVersion, 1, 1, 'a', 2, 'i', 'd', 0, 2, '{', '}'})
	f.Add([]byte{erasedVersion, 1, 1, 'a', 2, 'i', 'd', 0, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted, msgs, err := DecodeEntry(b, nil)
		if err != nil {
			return
		}
		again, back, err := DecodeEntry(encodePlain(accepted, msgs), nil)
		if err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
		for i := range msgs {
			msgs[i].Erased = false // today's entries have none
			if len(msgs[i].Data) == 0 {
				msgs[i].Data, back[i].Data = nil, nil
			}
		}
		if !reflect.DeepEqual(msgs, back) || b[0] == entryVersion && !again.Equal(accepted) {
			t.Errorf("got %v %+v, want %v %+v", again, back, accepted, msgs)
		}
	})
}

// An entry that an older program wrote, byte for byte.
func TestDecodeOldEntries(t *testing.T) {
	for name, b := range map[string][]byte{
		"plain":  []byte("\x01\x01\x03a.b\x02id\x01\x01A\x01\x011\x02{}"),
		"erased": []byte("\x02\x01\x03a.b\x02id\x01\x01A\x01\x011\x02\x00\x00"),
	} {
		accepted, msgs, err := DecodeEntry(b, nil)
		if err != nil || len(msgs) != 1 || !accepted.IsZero() {
			t.Fatalf("%s: %v, %+v, %v", name, accepted, msgs, err)
		}
		m := msgs[0]
		if m.Subject != "a.b" || m.ID != "id" || m.Header.Get("A") != "1" || m.Erased != (name == "erased") {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
