package auth

import (
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// Config says whom a source lets in. Each of its schemes is configured if it
// has a secret, an address or a certificate to accept. Without Require a request that
// satisfies any one scheme is accepted, and within a scheme any one secret is enough, so that
// a rotation loses no event. Secrets are read by [value.CleanSecret].
type Config struct {
	Bearer           []value.Secret         `mapstructure:"bearer" doc:"active bearer tokens: Authorization: Bearer <token>; any one is enough"`
	BearerFile       string                 `mapstructure:"bearer_file" doc:"file with more bearer tokens, one per line"`
	Header           HeaderConfig           `mapstructure:"header"`
	Basic            BasicConfig            `mapstructure:"basic"`
	Query            QueryConfig            `mapstructure:"query"`
	Path             PathConfig             `mapstructure:"path"`
	HMAC             HMACConfig             `mapstructure:"hmac"`
	StandardWebhooks StandardWebhooksConfig `mapstructure:"standard_webhooks"`
	IP               IPConfig               `mapstructure:"ip"`
	MTLS             MTLSConfig             `mapstructure:"mtls"`
	Secrets          []SecretConfig         `mapstructure:"secrets" doc:"more secrets, each with a name and, optionally, the time in which it is valid; see below"`
	Require          string                 `mapstructure:"require" doc:"which schemes a request must satisfy, such as: ip and (bearer or hmac); empty: any one of those that are configured"`
	AllowShort       bool                   `mapstructure:"allow_short_secrets" doc:"accept secrets of fewer than 16 bytes, which can be guessed"`
	KeepRefused      int                    `mapstructure:"keep_refused" doc:"how many deliveries a minute that are refused for their credentials are kept in the quarantine, so that those of a failed rotation can be sent again; 0: none"`
	Disabled         bool                   `mapstructure:"disabled" doc:"accept requests without any secret; only for a network that you trust"`
}

// HeaderConfig is a secret in a header of one's own, such as X-Api-Key.
type HeaderConfig struct {
	Name       string         `mapstructure:"name" doc:"name of the secret header, such as X-Api-Key"`
	Values     []value.Secret `mapstructure:"values" doc:"active values of the secret header; any one is enough"`
	ValuesFile string         `mapstructure:"values_file" doc:"file with more values, one per line"`
}

// BasicConfig is a user and a password (RFC 7617).
type BasicConfig struct {
	User          string         `mapstructure:"user" doc:"user of Authorization: Basic"`
	Passwords     []value.Secret `mapstructure:"passwords" doc:"active passwords of the user; any one is enough"`
	PasswordsFile string         `mapstructure:"passwords_file" doc:"file with more passwords, one per line"`
}

// QueryConfig is a secret in the query of the URL.
type QueryConfig struct {
	Name       string         `mapstructure:"name" doc:"name of the query parameter with the secret, such as token"`
	Values     []value.Secret `mapstructure:"values" doc:"active values of the query parameter; any one is enough"`
	ValuesFile string         `mapstructure:"values_file" doc:"file with more values, one per line"`
}

// PathConfig is a secret that is the last segment of the path.
type PathConfig struct {
	Values     []value.Secret `mapstructure:"values" doc:"active secret segments: what stands for the * of a path of the source, all of which must end in /*; any one is enough"`
	ValuesFile string         `mapstructure:"values_file" doc:"file with more segments, one per line"`
}

// HMACConfig is a signature of the body in a header.
type HMACConfig struct {
	Header          string         `mapstructure:"header" doc:"name of the header with the signature, such as X-Hub-Signature-256"`
	Keys            []value.Secret `mapstructure:"keys" doc:"active keys of the signature; any one is enough"`
	KeysFile        string         `mapstructure:"keys_file" doc:"file with more keys, one per line"`
	Hash            string         `mapstructure:"hash" doc:"hash of the signature: sha256, sha512 or sha1; empty: sha256"`
	Encoding        string         `mapstructure:"encoding" doc:"how the signature is written: hex, base64 or base64url; empty: hex"`
	Prefix          string         `mapstructure:"prefix" doc:"what stands in front of the signature, such as sha256= or v1="`
	Separator       string         `mapstructure:"separator" doc:"what stands between the parts of the header, if it has several, such as a comma; parts without prefix and timestamp_prefix are ignored"`
	TimestampHeader string         `mapstructure:"timestamp_header" doc:"name of the header with the time of the signature, in seconds since 1970"`
	TimestampPrefix string         `mapstructure:"timestamp_prefix" doc:"what stands in front of the time, if it is a part of the signature's header, such as t="`
	Tolerance       time.Duration  `mapstructure:"tolerance" doc:"how far the time of the signature may be from now; 0: 5m"`
	Template        string         `mapstructure:"template" doc:"what is signed, such as {timestamp}.{body}; empty: {body}"`
}

// StandardWebhooksConfig is a signature as Standard Webhooks describes it, with
// symmetric keys (v1).
type StandardWebhooksConfig struct {
	Keys      []value.Secret `mapstructure:"keys" doc:"active keys of Standard Webhooks, as base64, with whsec_ in front or without; any one is enough"`
	KeysFile  string         `mapstructure:"keys_file" doc:"file with more keys, one per line"`
	Tolerance time.Duration  `mapstructure:"tolerance" doc:"how far webhook-timestamp may be from now; 0: 5m"`
}

// IPConfig is a list of addresses of clients.
type IPConfig struct {
	Allow []string `mapstructure:"allow" doc:"addresses and networks (CIDR) of clients that are let in; behind a proxy set ingress.trusted_proxies"`
}

// MTLSConfig is a client certificate that the listener has verified.
type MTLSConfig struct {
	Subjects []string `mapstructure:"subjects" doc:"subjects of client certificates that are let in: the common name, or the whole subject, such as CN=treble,O=Example"`
	SANs     []string `mapstructure:"sans" doc:"alternative names of client certificates that are let in: a DNS name, URI, mail or IP address"`
	Any      bool     `mapstructure:"any" doc:"let in every client certificate that the listener's client CA has signed"`
}

// SecretConfig is a secret with a name, for metrics and logs, and with the time
// in which it is valid.
type SecretConfig struct {
	Name      string       `mapstructure:"name" doc:"name of the secret in metrics, /credentials and doctor, of a-z, 0-9, - and _, at most 32"`
	Scheme    string       `mapstructure:"scheme" doc:"bearer, header, basic, query, path, hmac or standard_webhooks"`
	Value     value.Secret `mapstructure:"value" doc:"the secret"`
	File      string       `mapstructure:"file" doc:"file with the secret, instead of value"`
	NotBefore string       `mapstructure:"not_before" doc:"the secret is refused before this time, such as 2026-01-31T08:00:00Z; empty: no limit"`
	NotAfter  string       `mapstructure:"not_after" doc:"the secret is refused from this time on; empty: no limit"`
}

// defaultTolerance is that of Standard Webhooks and Stripe.
const defaultTolerance = 5 * time.Minute
