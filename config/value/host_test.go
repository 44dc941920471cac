package value_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
)

func TestHosts(t *testing.T) {
	for _, tt := range []struct {
		host            string
		loopback, every bool
	}{
		{"localhost", true, false}, {"127.0.0.2", true, false}, {"::1", true, false},
		{"", false, true}, {"0.0.0.0", false, true}, {"::", false, true},
		{"nats.example", false, false}, {"192.0.2.1", false, false}, {"localhost.example", false, false},
	} {
		if loopback, every := value.IsLoopback(tt.host), value.IsEveryHost(tt.host); loopback != tt.loopback || every != tt.every {
			t.Errorf("%q: got loopback %v, every host %v; want %v, %v", tt.host, loopback, every, tt.loopback, tt.every)
		}
	}
}

func TestWithoutUserinfo(t *testing.T) {
	for text, want := range map[string]string{
		"nats://user:s3cret@host:4222/x": "nats://host:4222/x",
		"nats://s3cret@host":             "nats://host",
		"https://host/path":              "https://host/path",
		"://s3cret@host":                 "", // what cannot be read is not shown
	} {
		if got := value.WithoutUserinfo(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
