package atrest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// storeContext is the associated data with which the key of the store is sealed.
const storeContext = "key of the embedded nats-server's store"

// StoreKey returns the key with which the embedded nats-server encrypts its store, "" if there are
// no keys. The key is drawn by lot at the first start and kept in the data directory, sealed; so a rotation
// does not rewrite the store. A store that was encrypted once cannot be read without it.
func StoreKey(dataDir string, keys *Keys) (string, error) {
	file := filepath.Join(dataDir, datadir.NATSKey)
	sealed, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && keys == nil:
		return "", nil
	case errors.Is(err, fs.ErrNotExist):
		key := rand.Text()
		if sealed, err = keys.Seal([]byte(key), []byte(storeContext)); err == nil {
			err = datadir.WriteFile(dataDir, datadir.NATSKey, sealed)
		}
		if err != nil {
			return "", fmt.Errorf("make %s: %w", file, err)
		}
		return key, nil
	case err != nil:
		return "", err
	}
	key, err := keys.Open(sealed, []byte(storeContext))
	if err != nil {
		return "", fmt.Errorf("%s, by which the store of the embedded nats-server is encrypted: %w", file, err)
	}
	return string(key), nil
}
