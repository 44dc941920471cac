package atrest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/atrest/atresttest"
)

// TestRotation: a key is added, seals what is new, and what the first one sealed is read
// until that is dropped.
func TestRotation(t *testing.T) {
	path := atresttest.NewFile(t)
	text, context := []byte("+573001234567 said yes"), []byte("context")
	old, err := atresttest.Load(t, path).Seal(text, context)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(old, text[:4]) {
		t.Errorf("the text is in what is sealed: %q", old)
	}
	before, _ := atrest.List(path)
	if err := atrest.Rotate(path); err != nil {
		t.Fatal(err)
	}
	keys, err := atrest.List(path)
	if err != nil || len(keys) != 2 || keys[0].ID != before[0].ID || keys[0].Primary || !keys[1].Primary {
		t.Fatalf("after a rotation: %+v, %v", keys, err)
	}
	both := atresttest.Load(t, path)
	new, err := both.Seal(text, context)
	if err != nil {
		t.Fatal(err)
	}
	for name, sealed := range map[string][]byte{"old": old, "new": new} {
		if got, err := both.Open(sealed, context); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := atrest.Drop(path, keys[1].ID); err == nil || !strings.Contains(err.Error(), "rotate first") {
		t.Errorf("the key that seals: %v", err)
	}
	if err := atrest.Drop(path, keys[0].ID^keys[1].ID); err == nil || !strings.Contains(err.Error(), "has no key") {
		t.Errorf("a key that is not there: %v", err)
	}
	if err := atrest.Drop(path, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	var missing *atrest.MissingKeyError
	if _, err := atresttest.Load(t, path).Open(old, context); !errors.As(err, &missing) || missing.ID != keys[0].ID {
		t.Errorf("without its key: %v, want a MissingKeyError of %d", err, keys[0].ID)
	}
	if _, err := atresttest.Load(t, path).Open(new, context); err != nil {
		t.Errorf("what the other key sealed: %v", err)
	}
}

// TestOpenRefuses: another context, any changed byte and any cut is noticed, and no keys are no keys.
func TestOpenRefuses(t *testing.T) {
	k := atresttest.Load(t, atresttest.NewFile(t))
	sealed, err := k.Seal([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(sealed, []byte("other")); err == nil {
		t.Error("opened with another context")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := k.Open(changed, []byte("context")); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
		if _, err := k.Open(sealed[:i], []byte("context")); err == nil {
			t.Errorf("opened cut to %d bytes", i)
		}
	}
	var none *atrest.Keys
	var missing *atrest.MissingKeyError
	if _, err := none.Open(sealed, []byte("context")); !errors.As(err, &missing) {
		t.Errorf("without keys: %v", err)
	}
}

func TestKeyFileIsChecked(t *testing.T) {
	path := atresttest.NewFile(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := atrest.Create(path); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("made over another: %v", err)
	}
	secret, _ := os.ReadFile(path)
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	for _, text := range []string{"", "{}", "hunter2hunter2", string(secret[:len(secret)/2])} {
		if err := os.WriteFile(wrong, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := atrest.Config{KeyFile: wrong}.Validate()
		if err == nil || !strings.Contains(err.Error(), "encryption.key_file: "+wrong) || len(text) > 5 && strings.Contains(err.Error(), text[:6]) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	if err := (atrest.Config{KeyFile: wrong + "x"}).Validate(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
	if k, err := (atrest.Config{}).Load(); k != nil || err != nil {
		t.Errorf("no file: %v, %v, want nothing", k, err)
	}
}

// TestStoreKey: the key stays the same over a rotation, and is refused, not made anew, without the keys.
func TestStoreKey(t *testing.T) {
	dir, path := t.TempDir(), atresttest.NewFile(t)
	if key, err := atrest.StoreKey(dir, nil); key != "" || err != nil {
		t.Fatalf("without keys: %q, %v", key, err)
	}
	first, err := atrest.StoreKey(dir, atresttest.Load(t, path))
	if err != nil || len(first) < 20 {
		t.Fatalf("%q, %v", first, err)
	}
	if err := atrest.Rotate(path); err != nil {
		t.Fatal(err)
	}
	if again, err := atrest.StoreKey(dir, atresttest.Load(t, path)); err != nil || again != first {
		t.Errorf("after a rotation: %q, %v, want %q", again, err, first)
	}
	for name, keys := range map[string]*atrest.Keys{"none": nil, "others": atresttest.Load(t, atresttest.NewFile(t))} {
		var missing *atrest.MissingKeyError
		if key, err := atrest.StoreKey(dir, keys); key != "" || !errors.As(err, &missing) {
			t.Errorf("%s: %q, %v", name, key, err)
		}
	}
}
