package ingress

import (
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
	"github.com/treble-bridge/treble-bridge/ingress/quota"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Config is the public listener.
type Config struct {
	Addr                     string           `mapstructure:"addr" doc:"address of the public listener; port 0 takes a free one"`
	MaxConnections           int              `mapstructure:"max_connections" doc:"connections open at once, and never more than half of the file descriptors that the process may have open; one more takes the place of one that shows no credential, of a slow body, or of an idle one"`
	MaxConnectionsPerAddress int              `mapstructure:"max_connections_per_address" doc:"the share of one address (of IPv6: one /64) when all are taken: beyond it, connections of that address are closed first, and its new ones take no place of others; a balancer or proxy in front is one address; 0: no share"`
	MaxBody                  value.Size       `mapstructure:"max_body" doc:"largest body of a request; a larger one is answered 413"`
	MaxInFlight              int              `mapstructure:"max_in_flight" doc:"requests handled at once, from when their body is read; one more is answered 429"`
	MaxInFlightBytes         value.Size       `mapstructure:"max_in_flight_bytes" doc:"bytes of the bodies of all requests at once, beyond the first 32KiB of each, and as much again for what is made of them; of several sources each may take three quarters; a request whose body would be more is answered 429; never less than max_body"`
	MaxElements              int              `mapstructure:"max_elements" doc:"values of an event that are read: objects, lists, texts and numbers; what is in the lists of an event that has more is not normalised, with a warning, and stays in raw"`
	MinBodyRate              value.Size       `mapstructure:"min_body_rate" doc:"bytes a second at which a body must come, after its first 5 s; a slower one is answered 408"`
	AcceptTimeout            time.Duration    `mapstructure:"accept_timeout" doc:"how long accepting a request may take after its body is read, parsing included"`
	HeaderTimeout            time.Duration    `mapstructure:"header_timeout" doc:"how long a client may take to send the headers"`
	BodyTimeout              time.Duration    `mapstructure:"body_timeout" doc:"how long a client may take to send headers and body"`
	IdleTimeout              time.Duration    `mapstructure:"idle_timeout" doc:"how long an idle connection is kept; longer than your load balancer or proxy keeps one, or a request may meet a connection that is just closed"`
	MaxAuthFailures          int              `mapstructure:"max_auth_failures" doc:"requests of one address with no or wrong credentials that are answered 401 in a minute; more are answered 429; 0: no limit. Right credentials are never refused for it"`
	TrustedProxies           []string         `mapstructure:"trusted_proxies" doc:"addresses and networks (CIDR) of proxies whose X-Forwarded-For is believed; empty: of nobody"`
	Operators                []string         `mapstructure:"operator_addresses" doc:"addresses and networks (CIDR) of hosts whose commands may mark requests as tests, and send them with the time of an earlier receipt (the headers Treble-Test and Treble-Received)"`
	ProxyProtocol            []string         `mapstructure:"proxy_protocol" doc:"addresses and networks (CIDR) of balancers whose PROXY protocol header (v1, v2) is believed: the address in it is the client's; empty: of nobody. A connection without a header is the balancer's own"`
	TLS                      listen.TLSConfig `mapstructure:"tls"`
	Timezone                 string           `mapstructure:"timezone" doc:"time zone of Treble's times that name none, such as UTC or America/Bogota"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Addr:                     ":8080",
		MaxConnections:           1024,
		MaxConnectionsPerAddress: 512,
		MaxBody:                  10 * value.MiB,
		MaxInFlight:              1000,
		MaxInFlightBytes:         32 * value.MiB,
		MaxElements:              100_000,
		MinBodyRate:              value.KiB,
		AcceptTimeout:            4 * time.Second,
		HeaderTimeout:            5 * time.Second,
		BodyTimeout:              30 * time.Second,
		IdleTimeout:              2 * time.Minute,
		MaxAuthFailures:          60,
		Operators:                []string{"127.0.0.0/8", "::1/128"},
		TLS:                      listen.DefaultTLSConfig(),
		Timezone:                 "UTC",
	}
}

// SourceConfig is an endpoint: its paths, authentication, kinds and
// what it answers.
type SourceConfig struct {
	Name   string       `mapstructure:"name" doc:"name of the source, of a-z, 0-9 and -, at most 32; the envelope's source is /treble/<name>"`
	Paths  []string     `mapstructure:"paths" doc:"paths that it serves with POST; a * at the end stands for one path segment's rest"`
	Kinds  []string     `mapstructure:"kinds" doc:"kinds that it takes; empty: all"`
	Auth   auth.Config  `mapstructure:"auth"`
	Limits quota.Limits `mapstructure:"limits"`
	Reply  value.Object `mapstructure:"reply" doc:"JSON object answered with 200, as it is written here; empty: {}"`
}

// Parser returns the parser of the bodies that come to the source. The error says what of the
// configuration is wrong.
func (s SourceConfig) Parser(c Config) (delivery.Parser, error) {
	location, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return delivery.Parser{}, fmt.Errorf("ingress.timezone: %w", err)
	}
	p := delivery.Parser{Location: location, MaxElements: c.MaxElements}
	for _, name := range s.Kinds {
		k, err := schema.ParseKind(name)
		if err != nil {
			return delivery.Parser{}, fmt.Errorf("kinds of the source %s: %w", s.Name, err)
		}
		p.Kinds = append(p.Kinds, k)
	}
	return p, nil
}

// DefaultSource is the source of a bridge that configures none. Its paths are
// those of Treble's documentation.
func DefaultSource() SourceConfig {
	return SourceConfig{
		Name:  "default",
		Paths: []string{"/webhook", "/treble-webhooks", "/webhooks/on-*"},
	}
}

// SecretPaths are the paths of the default source if its auth has a secret in the path.
func SecretPaths() []string { return []string{"/webhook/*", "/treble-webhooks/*"} }
