package value_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// TestMarshalJSON: a command in a text can be pasted as it stands.
func TestMarshalJSON(t *testing.T) {
	got, err := value.MarshalJSON(map[string]string{"fix": "a && b < c > d"})
	if want := `{"fix":"a && b < c > d"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if got, err := value.MarshalJSON(func() {}); err == nil {
		t.Errorf("got %s of what is no JSON", got)
	}
}
