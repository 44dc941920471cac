package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// validateSources checks the default source, or the configured ones.
func (c *Config) validateSources() error {
	if len(c.Sources) == 0 {
		return errors.Join(c.Auth.Validate("auth"), c.Ingress.Suits(c.Auth, "auth"))
	}
	var errs []error
	if set := authKeys(c.Auth, "auth"); len(set) > 0 {
		errs = append(errs, fmt.Errorf("%s and sources are both set: auth belongs to the default source, which sources replace: move it to the auth of a source",
			strings.Join(set, ", ")))
	}
	for i, s := range c.Sources {
		errs = append(errs, c.Ingress.Suits(s.Auth, fmt.Sprintf("sources[%d].auth", i)))
	}
	return errors.Join(append(errs, ingress.ValidateSources(c.Sources))...)
}

// Advice returns what works but should be better, such as a short secret,
// each with its key and without any value.
func (c *Config) Advice() []string {
	all := append(c.NATS.Warnings(), c.Ingress.TLS.Warnings("ingress.tls")...)
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
func (c *Config) HasAuth() bool {
	return slices.ContainsFunc(authKeys(c.Auth, "auth"), func(key string) bool {
		return key != "auth.require" && key != "auth.allow_short_secrets" && key != "auth.keep_refused"
	})
}

// authKeys returns the keys that are set.
func authKeys(a auth.Config, key string) []string {
	var set []string
	root := reflect.ValueOf(a)
	for _, k := range keysOf(root, "", nil) {
		if v := root.FieldByIndex(k.index); !v.IsZero() && (v.Kind() != reflect.Slice || v.Len() > 0) {
			set = append(set, key+"."+k.Name)
		}
	}
	return set
}
