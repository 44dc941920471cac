package natsconfig

import (
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// The keys that have a secret.
const (
	tokenKey         = "nats.token"
	passwordKey      = "nats.password"
	embeddedTokenKey = "nats.embedded.token"
)

var secretKeys = []string{tokenKey, passwordKey, embeddedTokenKey}

// secret reads the secret of a key, from its value or its file; "" if it has none.
func (c Config) secret(key string) (secret string, doubts []string, err error) {
	var given value.Secret
	var path string
	switch key {
	case tokenKey:
		given, path = c.Token, c.TokenFile
	case passwordKey:
		given, path = c.Password, c.PasswordFile
	case embeddedTokenKey:
		given, path = c.Embedded.Token, c.Embedded.TokenFile
	}
	switch {
	case path != "":
		if secret, doubts, err = value.ReadSecret(path, ""); err != nil {
			return "", nil, fmt.Errorf("%s_file: %w", key, err)
		}
		return secret, value.Doubts(key+"_file: the secret", doubts), nil
	case given != "":
		if secret, doubts = value.CleanSecret(given, ""); secret == "" {
			return "", nil, fmt.Errorf("%s: has nothing but white space: remove it, or set a secret", key)
		}
		return secret, value.Doubts(key+": the secret", doubts), nil
	}
	return "", nil, nil
}

// CheckSecrets reports each secret that cannot be read.
func (c Config) CheckSecrets() error {
	var errs []error
	for _, key := range secretKeys {
		_, _, err := c.secret(key)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Warnings describes what looks wrong about the secrets, and what lets more clients into the embedded
// server than intended. Each warning names its key and no value.
func (c Config) Warnings() []string {
	var all []string
	for _, key := range secretKeys {
		_, doubts, _ := c.secret(key)
		all = append(all, doubts...)
	}
	if c.URL == "" {
		all = append(all, c.Embedded.warnings()...)
	}
	return all
}
