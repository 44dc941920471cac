package natstest

// Foreign are messages that may stand on the subjects of the bridge's events and are none,
// by what they are. A further kind is a further row.
var Foreign = []struct {
	Name   string
	Header map[string][]string
	Data   string
}{
	{"delete-marker", map[string][]string{"Nats-Marker-Reason": {"MaxAge"}}, ""},
	{"kv-delete", map[string][]string{"KV-Operation": {"DEL"}}, ""},
	{"kv-purge", map[string][]string{"KV-Operation": {"PURGE"}}, ""},
	{"empty", nil, ""},
	{"text", nil, "not ours"},
	{"json", nil, `{"n":1}`},
	{"headers-of-an-event", map[string][]string{"Treble-Kind": {"message.read"}}, `{"n":1}`},
	{"cut-off", map[string][]string{"Treble-Kind": {"message.read"}}, `{"specversion":"1.0","id":"x","source":"/treble/default","type":"ai.treble.message.read","da`},
	{"cloudevent-of-others", map[string][]string{"Treble-Kind": {"message.read"}}, `{"specversion":"1.0","id":"x","source":"/shop","type":"com.example.sold","data":{}}`},
}
