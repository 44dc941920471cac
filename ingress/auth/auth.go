// Package auth decides whether a request may deliver events to a source. [New]
// makes an [Authenticator] of the schemes that a [Config] names.
package auth

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Request is a request and what the listener knows of it.
type Request struct {
	*http.Request
	Now     time.Time
	Client  netip.Addr // of the client, see [Proxies.Client]; the zero value if it is not known
	Segment string     // what stands for the * of the source's path, "" if it has none
}

// state is the degree to which a scheme is satisfied. A policy takes the least of the states
// that "and" joins, and the greatest of those that "or" joins.
type state uint8

const (
	refused state = iota
	pending       // all but the signature of the body is right
	satisfied
)

// scheme is an authentication scheme. It is safe for concurrent use.
type scheme interface {
	// check looks at everything but the body, which it does not read. It
	// returns the credential if it is satisfied, and does the same work
	// whatever the request carries.
	check(Request) (*Credential, state)
}

// signature is a scheme that wants the body. Its check is pending at the most.
type signature interface {
	scheme
	// verify returns the credential that signed the body, or nil.
	verify(in Request, body []byte) *Credential
}

// The schemes, as the configuration and the names of credentials call them.
const (
	schemeBearer           = "bearer"
	schemeHeader           = "header"
	schemeBasic            = "basic"
	schemeQuery            = "query"
	schemePath             = "path"
	schemeHMAC             = "hmac"
	schemeStandardWebhooks = "standard_webhooks"
	schemeMTLS             = "mtls"
	schemeIP               = "ip"
)

// schemeNames lists all schemes, those with secrets first.
var schemeNames = [...]string{schemeBearer, schemeHeader, schemeBasic, schemeQuery, schemePath,
	schemeHMAC, schemeStandardWebhooks, schemeMTLS, schemeIP}

// Open is the credential name of a source without authentication.
const Open = "open"

// Authenticator holds the schemes of a source and how they combine. It does not change, and
// is safe for concurrent use.
type Authenticator struct {
	schemes     []scheme
	policy      policy
	credentials []*Credential
	challenge   string
	hidden      []string
	open        bool
	needsClient bool
	path        *secrets // of the scheme path, or nil
}

// New returns the authenticator of the configuration. It reads the secret
// files, once. The error lists every problem,
// each with its key below the given one, as [Config.Validate] does.
func New(c Config, key string) (*Authenticator, error) {
	l := load(c, key)
	if err := l.problems.Err(); err != nil {
		return nil, err
	}
	a := &Authenticator{open: c.Disabled, policy: l.policy}
	if c.Disabled {
		a.credentials = []*Credential{{Name: Open, Scheme: Open}}
		return a, nil
	}
	var challenges []string
	for _, name := range l.configured {
		s := l.build(c, name)
		a.schemes = append(a.schemes, s)
		switch s := s.(type) {
		case bearer:
			challenges = append(challenges, "Bearer")
		case basic:
			challenges = append(challenges, `Basic realm="treble-bridge", charset="UTF-8"`)
		case path:
			a.path = &s.secrets
		case ip:
			a.needsClient = true
		}
	}
	for i, credential := range l.credentials() {
		credential.Index = i
		a.credentials = append(a.credentials, credential)
	}
	a.challenge = strings.Join(challenges, ", ")
	for _, name := range []string{c.Header.Name, c.HMAC.Header} {
		if name != "" {
			a.hidden = append(a.hidden, http.CanonicalHeaderKey(name))
		}
	}
	return a, nil
}

// Credentials returns all credentials that can let a request in, in the order of the
// configuration. Nobody changes them.
func (a *Authenticator) Credentials() []*Credential { return a.credentials }

// Challenge is the value of WWW-Authenticate in a 401, or "".
func (a *Authenticator) Challenge() string { return a.challenge }

// SecretHeaders are the headers of the configuration that carry a credential, in their
// canonical form.
func (a *Authenticator) SecretHeaders() []string { return a.hidden }

// NeedsClient reports whether a scheme looks at the address of the client.
func (a *Authenticator) NeedsClient() bool { return a.needsClient }

// PathSecret reports whether a segment of a path is one of the source's secrets, valid or
// not: such a path must not be kept.
func (a *Authenticator) PathSecret(segment string) bool {
	return a.path != nil && a.path.knows(segment)
}

// SecretPaths reports whether the last segment of the source's paths is a secret.
func (a *Authenticator) SecretPaths() bool { return a.path != nil }

// Verdict is the result of the authentication of a request. Make it with [Authenticator.Check].
type Verdict struct {
	state   state
	states  [len(schemeNames)]state
	granted [len(schemeNames)]*Credential
	n       int
}

// Accepted reports whether the request may come in.
func (v *Verdict) Accepted() bool { return v.state == satisfied }

// NeedsBody reports whether only the signature of the body is missing: read the
// body and call [Authenticator.Verify].
func (v *Verdict) NeedsBody() bool { return v.state == pending }

// Credentials yields the credentials that let the request in: one of each scheme
// that it satisfies.
func (v *Verdict) Credentials(yield func(*Credential) bool) {
	for _, c := range v.granted[:v.n] {
		if c != nil && !yield(c) {
			return
		}
	}
}

// Secret reports whether a secret or a certificate let the request in, and
// not an address alone, or nothing at all.
func (v *Verdict) Secret() bool {
	for c := range v.Credentials {
		if c.Scheme != schemeIP && c.Scheme != Open {
			return v.Accepted()
		}
	}
	return false
}

// Check looks at everything but the body, which it does not read.
func (a *Authenticator) Check(in Request) (v Verdict) {
	if a.open {
		v.state, v.granted[0], v.n = satisfied, a.credentials[0], 1
		return v
	}
	v.n = len(a.schemes)
	for i, s := range a.schemes {
		v.granted[i], v.states[i] = s.check(in)
	}
	v.state = a.policy.judge(&v.states)
	return v
}

// Verify finishes a verdict that needs the body. All keys of every signature are tried.
func (a *Authenticator) Verify(in Request, v *Verdict, body []byte) {
	if !v.NeedsBody() {
		return
	}
	for i, s := range a.schemes {
		if v.states[i] != pending {
			continue
		}
		v.states[i] = refused
		// No other scheme is ever pending.
		if v.granted[i] = s.(signature).verify(in, body); v.granted[i] != nil {
			v.states[i] = satisfied
		}
	}
	v.state = a.policy.judge(&v.states)
}

// Validate returns every problem of the configuration, joined, each with its
// key below the given one: "auth.bearer[0]: …" for the key "auth". It reads
// the secret files and changes nothing.
func (c Config) Validate(key string) error { return load(c, key).problems.Err() }

// Warnings returns what works but should be better, such as a short secret that is
// allowed, each with its key and without any value.
func (c Config) Warnings(key string) []string { return load(c, key).warnings }

// only returns the value of a header that came exactly once. Of a header that
// came twice it is unknown which one a proxy in front checked, so neither
// counts.
func only(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
