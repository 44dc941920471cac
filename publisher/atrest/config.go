package atrest

import "fmt"

// Config says whether what the data directory keeps is encrypted.
type Config struct {
	KeyFile string `mapstructure:"key_file" doc:"file with the keys by which the journal and the set-aside are encrypted, made by treble-bridge keys create; empty: they are not"`
}

// Load returns the keys, nil if nothing is to be encrypted.
func (c Config) Load() (*Keys, error) {
	k, err := Load(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("encryption.key_file: %w", err)
	}
	return k, nil
}

// Validate reads the file.
func (c Config) Validate() error {
	_, err := c.Load()
	return err
}
