package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// validateSources checks the default source, or the configured ones.
func (c *Config) validateSources() error {
	if len(c.Sources) == 0 {
		return c.Auth.Validate("auth")
	}
	var errs []error
	if set := authKeys(c.Auth, "auth"); len(set) > 0 {
		errs = append(errs, fmt.Errorf("%s and sources are both set: auth belongs to the default source, which sources replace: move it to the auth of a source",
			strings.Join(set, ", ")))
	}
	return errors.Join(append(errs, ingress.ValidateSources(c.Sources))...)
}

// Advice returns what works but should be better, such as a short secret,
// each with its key and without any value.
func (c *Config) Advice() []string {
	all := c.NATS.Warnings()
	if len(c.Sources) == 0 {
		return append(all, c.Auth.Warnings("auth")...)
	}
	for i, s := range c.Sources {
		all = append(all, s.Auth.Warnings(fmt.Sprintf("sources[%d].auth", i))...)
	}
	return all
}

// HasAuth reports whether the top-level auth says anything: a secret, or that
// none is wanted.
func (c *Config) HasAuth() bool { return len(authKeys(c.Auth, "auth")) > 0 }

// authKeys returns the keys that are set.
func authKeys(a auth.Config, key string) []string {
	var set []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"bearer", len(a.Bearer) > 0},
		{"bearer_file", a.BearerFile != ""},
		{"header.name", a.Header.Name != ""},
		{"header.values", len(a.Header.Values) > 0},
		{"header.values_file", a.Header.ValuesFile != ""},
		{"disabled", a.Disabled},
	} {
		if k.set {
			set = append(set, key+"."+k.name)
		}
	}
	return set
}
