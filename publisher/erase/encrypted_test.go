package erase_test

import (
	"errors"
	"testing"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/atrest/atresttest"
	"github.com/treble-bridge/treble-bridge/publisher/erase"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// TestEncrypted: a person's message is found and shredded in an encrypted set-aside; without
// the key nothing is taken for empty.
func TestEncrypted(t *testing.T) {
	keys := atresttest.Load(t, atresttest.NewFile(t))
	dataDir := t.TempDir()
	store := setaside.Open(dataDir, setaside.Limit, keys, zap.NewNop(), nil)
	for _, text := range []string{"hers", "his"} {
		m := broker.Message{Subject: "treble.message.read", ID: text, Data: []byte(text)}
		if err := store.Put(t.Context(), m, setaside.TooLarge); err != nil {
			t.Fatal(err)
		}
	}
	var missing *atrest.MissingKeyError
	hers := func(m erase.Message) bool { return string(m.Data) == "hers" }
	if err := erase.Each(t.Context(), dataDir, nil, func(erase.Message) error { return nil }); !errors.As(err, &missing) {
		t.Errorf("searched without the key: %v", err)
	}
	if _, _, err := erase.Shred(t.Context(), dataDir, nil, hers); !errors.As(err, &missing) {
		t.Errorf("shredded without the key: %v", err)
	}
	if n, _, err := erase.Shred(t.Context(), dataDir, keys, hers); n != 1 || err != nil {
		t.Errorf("shredded %d, %v, want 1", n, err)
	}
	var left []string
	err := erase.Each(t.Context(), dataDir, keys, func(m erase.Message) error {
		left = append(left, string(m.Data))
		return nil
	})
	if err != nil || len(left) != 1 || left[0] != "his" {
		t.Errorf("left: %q, %v", left, err)
	}
}
