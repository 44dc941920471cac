package config

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/quota"

	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/publisher"
)

// validateSources checks the default source, or the configured ones.
func (c *Config) validateSources() error {
	if len(c.Sources) == 0 {
		return errors.Join(c.Limits.Validate("limits"), c.Auth.Validate("auth"), c.Ingress.Suits(c.Auth, "auth"))
	}
	var errs []error
	if set := authKeys(c.Auth, "auth"); len(set) > 0 {
		errs = append(errs, fmt.Errorf("%s and sources are both set: auth belongs to the default source, which sources replace: move it to the auth of a source",
			strings.Join(set, ", ")))
	}
	if c.Limits != (quota.Limits{}) {
		errs = append(errs, errors.New("limits and sources are both set: limits belong to the default source, which sources replace: move them to the limits of a source"))
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
	all = append(append(all, natsInTheOpen(c.NATS)...), c.exposed()...)
	if len(c.Sources) == 0 {
		return append(all, c.Auth.Warnings("auth")...)
	}
	for i, s := range c.Sources {
		all = append(all, s.Auth.Warnings(fmt.Sprintf("sources[%d].auth", i))...)
	}
	return all
}

// exposed returns what is open to the network and should not be.
func (c *Config) exposed() []string {
	var all []string
	if c.Ops.Pprof && !onLoopback(c.Ops.Addr) {
		all = append(all, "ops.pprof: profiles can be read, and made, by whoever reaches ops.addr "+c.Ops.Addr+": let it listen on 127.0.0.1, or keep others out")
	}
	if onLoopback(c.Ingress.Addr) {
		return all
	}
	const open = ".disabled: whoever reaches ingress.addr can deliver events: let it listen on 127.0.0.1, or let a proxy in front authenticate"
	if len(c.Sources) == 0 && c.Auth.Disabled {
		all = append(all, "auth"+open)
	}
	for i, s := range c.Sources {
		if s.Auth.Disabled {
			all = append(all, fmt.Sprintf("sources[%d].auth", i)+open)
		}
	}
	return all
}

// natsInTheOpen warns of a secret that can be read on the way to another host. The server may ask for
// TLS, but who stands between can leave that out.
func natsInTheOpen(c publisher.NATSConfig) []string {
	inConfig := c.Password != "" || c.PasswordFile != "" || c.Token != "" || c.TokenFile != ""
	if c.TLS.CAFile != "" || c.TLS.CertFile != "" || c.TLS.HandshakeFirst {
		return nil // the client insists on TLS then
	}
	var all []string
	for _, u := range c.Servers() {
		if u == nil || u.Scheme != "nats" && u.Scheme != "ws" || value.IsLoopback(u.Hostname()) {
			continue
		}
		if _, inURL := u.User.Password(); inConfig || inURL || u.User != nil {
			all = append(all, fmt.Sprintf("nats.url: the secret goes to %s without TLS, unless the server asks for it: use tls:// (or wss://)", u.Host))
		}
	}
	return all
}

// onLoopback reports whether an address to listen on is reached from this host only.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false // Validate says so
	}
	return value.IsLoopback(host)
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
