// Package atrest encrypts what a bridge keeps in its data directory, with the keys of one
// file. The file is a keyset of Tink in JSON: new data is sealed with its primary key, and data
// that any of its keys sealed can be opened. So a key is rotated by adding another.
package atrest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// Keys seal and open. A nil *Keys has no key: it opens nothing. The methods may be called at once.
type Keys struct {
	aead tink.AEAD
	ids  map[uint32]bool
}

// MissingKeyError says that data is sealed with a key that the file does not have.
type MissingKeyError struct{ ID uint32 }

func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("it is sealed with key %d, which the file of encryption.key_file does not have", e.ID)
}

var (
	errSealed  = errors.New("it is no sealed data")
	errDamaged = errors.New("it is damaged, or somebody changed it")
)

// Load reads the keys of a file. For "" it returns nil: nothing is to be sealed.
func Load(path string) (*Keys, error) {
	if path == "" {
		return nil, nil
	}
	h, err := read(path)
	if err != nil {
		return nil, err
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k := &Keys{aead: a, ids: map[uint32]bool{}}
	for _, info := range list(h) {
		k.ids[info.ID] = true
	}
	return k, nil
}

// Seal encrypts plain with the primary key. It can be opened with the same context only, which is not
// stored: what the data is and what belongs to it.
func (k *Keys) Seal(plain, context []byte) ([]byte, error) {
	return k.aead.Encrypt(plain, context)
}

// Open is the reverse of Seal. Its error is a *MissingKeyError if the key is not there.
func (k *Keys) Open(sealed, context []byte) ([]byte, error) {
	if err := k.Check(sealed); err != nil {
		return nil, err
	}
	plain, err := k.aead.Decrypt(sealed, context)
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

// Check returns nil if the key that sealed is sealed with is there, without opening it.
func (k *Keys) Check(sealed []byte) error {
	// Tink writes a version and the id of the key in front.
	if len(sealed) < 5 || sealed[0] != 1 {
		return errSealed
	}
	if id := binary.BigEndian.Uint32(sealed[1:]); k == nil || !k.ids[id] {
		return &MissingKeyError{ID: id}
	}
	return nil
}

// KeyInfo describes a key without its secret.
type KeyInfo struct {
	ID      uint32
	Primary bool // it seals what is new
}

// template is XChaCha20-Poly1305: its nonces are long enough to be drawn by lot for
// any number of events.
var template = aead.XChaCha20Poly1305KeyTemplate()

// Create makes a file with one key. The file must not be there.
func Create(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already; to add a key to it, rotate it", path)
	}
	h, err := keyset.NewHandle(template)
	if err != nil {
		return err
	}
	return write(path, h)
}

// Rotate adds a key, which from the next start on seals what is new. The others stay, since what they sealed is
// still there.
func Rotate(path string) error {
	return change(path, func(m *keyset.Manager) error {
		id, err := m.Add(template)
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// Drop removes a key that is not the primary one. What it sealed cannot be read any more.
func Drop(path string, id uint32) error {
	keys, err := List(path)
	if err != nil {
		return err
	}
	switch i := slices.IndexFunc(keys, func(k KeyInfo) bool { return k.ID == id }); {
	case i < 0:
		return fmt.Errorf("%s has no key %d", path, id)
	case keys[i].Primary:
		return fmt.Errorf("key %d of %s encrypts: rotate first, so that another one does", id, path)
	}
	return change(path, func(m *keyset.Manager) error { return m.Delete(id) })
}

// List returns what may be shown of the keys in a file, the oldest first.
func List(path string) ([]KeyInfo, error) {
	h, err := read(path)
	if err != nil {
		return nil, err
	}
	return list(h), nil
}

func list(h *keyset.Handle) []KeyInfo {
	info := h.KeysetInfo()
	var all []KeyInfo
	for _, k := range info.GetKeyInfo() {
		all = append(all, KeyInfo{ID: k.GetKeyId(), Primary: k.GetKeyId() == info.GetPrimaryKeyId()})
	}
	return all
}

func change(path string, fn func(*keyset.Manager) error) error {
	h, err := read(path)
	if err != nil {
		return err
	}
	m := keyset.NewManagerFromHandle(h)
	if err := fn(m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if h, err = m.Handle(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return write(path, h)
}

// read returns the keys of a file. Its errors show nothing of what is in it.
func read(path string) (*keyset.Handle, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, fmt.Errorf("%s is no file of keys; \"treble-bridge keys create\" makes one", path)
	}
	if _, err := aead.New(h); err != nil {
		return nil, fmt.Errorf("%s has keys for something else than encryption (AEAD)", path)
	}
	return h, nil
}

// write makes the file whole or not at all, readable for this user alone.
func write(path string, h *keyset.Handle) error {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		return err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return datadir.WriteFile(filepath.Dir(path), filepath.Base(path), append(b.Bytes(), '\n'))
}
