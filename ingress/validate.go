package ingress

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Validate returns every problem of the configuration, joined, each with its
// key: "ingress.max_body: …".
func (c Config) Validate() error {
	var p value.Problems
	if err := listen.ValidateAddr("ingress.addr", c.Addr); err != nil {
		p = append(p, err)
	}
	if c.MaxConnections <= 0 {
		p.Add("ingress.max_connections", "is %d: use a number above zero, such as 1024", c.MaxConnections)
	}
	if c.MaxConnectionsPerAddress < 0 {
		p.Add("ingress.max_connections_per_address", "is %d: use a number above zero, such as 512, or 0 for no share", c.MaxConnectionsPerAddress)
	}
	if c.MaxBody <= 0 || c.MaxBody > value.GiB {
		p.Add("ingress.max_body", "is %s: use a size above zero and up to 1GiB, such as 10MiB", c.MaxBody)
	}
	if c.MaxInFlight <= 0 {
		p.Add("ingress.max_in_flight", "is %d: use a number above zero, such as 1000", c.MaxInFlight)
	}
	if c.MaxInFlightBytes <= 0 {
		p.Add("ingress.max_in_flight_bytes", "is %s: use a size above zero, such as 32MiB", c.MaxInFlightBytes)
	}
	if c.MaxElements <= 0 {
		p.Add("ingress.max_elements", "is %d: use a number above zero, such as 100000", c.MaxElements)
	}
	if c.MinBodyRate <= 0 {
		p.Add("ingress.min_body_rate", "is %s: use a size above zero, such as 1KiB", c.MinBodyRate)
	}
	if c.MaxAuthFailures < 0 {
		p.Add("ingress.max_auth_failures", "is %d: use a number above zero, such as 60, or 0 for no limit", c.MaxAuthFailures)
	}
	if _, err := auth.ParseNetworks(c.TrustedProxies); err != nil {
		p.Add("ingress.trusted_proxies", "%w", err)
	}
	if _, err := auth.ParseNetworks(c.Operators); err != nil {
		p.Add("ingress.operator_addresses", "%w", err)
	}
	if _, err := auth.ParseNetworks(c.ProxyProtocol); err != nil {
		p.Add("ingress.proxy_protocol", "%w", err)
	}
	if err := c.TLS.Validate("ingress.tls"); err != nil {
		p = append(p, err)
	}
	defaults := DefaultConfig()
	positive(&p, "ingress.accept_timeout", c.AcceptTimeout, defaults.AcceptTimeout)
	positive(&p, "ingress.header_timeout", c.HeaderTimeout, defaults.HeaderTimeout)
	positive(&p, "ingress.body_timeout", c.BodyTimeout, defaults.BodyTimeout)
	positive(&p, "ingress.idle_timeout", c.IdleTimeout, defaults.IdleTimeout)
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		p.Add("ingress.timezone", "%q is not known here: use UTC or a name of the IANA list, such as America/Bogota", c.Timezone)
	}
	return p.Err()
}

var sourceName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate returns every problem of the source, joined, each with its key:
// those of its own fields below key, such as "sources[1]", those of its
// authentication below authKey, such as "sources[1].auth", or "auth" for the
// default source.
func (s SourceConfig) Validate(key, authKey string) error {
	var p value.Problems
	if !sourceName.MatchString(s.Name) {
		p.Add(key+".name", "%q is not a name: use 1 to 32 of a-z, 0-9 and -", s.Name)
	}
	if len(s.Paths) == 0 {
		p.Add(key+".paths", "is empty: name at least one path, such as /webhook")
	}
	for i, path := range s.Paths {
		if _, err := parsePattern(path); err != nil {
			p.Add(fmt.Sprintf("%s.paths[%d]", key, i), "%w", err)
		}
	}
	for i, kind := range s.Kinds {
		if _, err := schema.ParseKind(kind); err != nil {
			p.Add(fmt.Sprintf("%s.kinds[%d]", key, i), "%w", err)
		}
	}
	if _, err := value.ParseObject(string(s.Reply)); s.Reply != "" && err != nil {
		p.Add(key+".reply", "%w: write a JSON object, such as {\"received\": true}", err)
	}
	if s.Auth.HasPath() && slices.ContainsFunc(s.Paths, func(path string) bool { return !strings.HasSuffix(path, "/*") }) {
		p.Add(authKey+".path", "is configured, but %s.paths has one that does not end in /*: the secret is what stands for the *, such as in /webhook/*", key)
	}
	return errors.Join(append(p, s.Limits.Validate(key+".limits"), s.Auth.Validate(authKey))...)
}

// Suits returns a problem if the listener cannot have what an authentication looks at. The key is that
// of the authentication, such as "sources[1].auth".
func (c Config) Suits(a auth.Config, key string) error {
	if a.HasMTLS() && (!c.TLS.Enabled() || c.TLS.ClientCA == "") {
		return fmt.Errorf("%s.mtls: is set, but the listener asks for no certificate of a client, so that it lets nobody in: set ingress.tls.client_ca, beside a certificate of the listener", key)
	}
	return nil
}

// ValidateSources returns every problem of the list, joined: those of each
// source, and names and paths that two of them share. The keys are those of
// the configuration's sources, from "sources[0]" on.
func ValidateSources(sources []SourceConfig) error {
	var p value.Problems
	for i, s := range sources {
		key := sourceKey(i)
		if err := s.Validate(key, key+".auth"); err != nil {
			p = append(p, err)
		}
	}
	return errors.Join(append(p, shared(sources)...)...)
}

func sourceKey(i int) string { return fmt.Sprintf("sources[%d]", i) }

// shared returns a problem for each name and path that was taken before. A
// path that ends in * and a longer one that fits it may stand side by side:
// the longer one wins.
func shared(sources []SourceConfig) []error {
	var p value.Problems
	names, paths := map[string]string{}, map[string]string{}
	for i, s := range sources {
		key := sourceKey(i)
		if other, taken := names[s.Name]; taken {
			p.Add(key+".name", "%q is the name of %s too: names must differ", s.Name, other)
		} else {
			names[s.Name] = key
		}
		for j, path := range s.Paths {
			pathKey := fmt.Sprintf("%s.paths[%d]", key, j)
			pattern, err := parsePattern(path)
			if err != nil {
				continue // reported by Validate
			}
			if other, taken := paths[pattern.String()]; taken {
				p.Add(pathKey, "%s is served by %s already: a path belongs to one source", path, other)
			} else {
				paths[pattern.String()] = pathKey
			}
		}
	}
	return p
}

func positive(p *value.Problems, key string, d, usual time.Duration) {
	if d <= 0 {
		p.Add(key, "is %s: use a duration above zero, such as %s", d, usual)
	}
}
