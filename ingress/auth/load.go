package auth

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// loaded is a configuration with its files read.
type loaded struct {
	secrets    map[string][]*secret // by scheme
	configured []string             // the schemes, in the order of schemeNames
	policy     policy
	warnings   []string
	problems   value.Problems

	nameless   map[string]*Credential // by scheme, of those without secrets
	allowShort bool
}

func (l *loaded) warn(key, text string) { l.warnings = append(l.warnings, key+": "+text) }

// secretList has the configured secrets of a scheme, and their keys.
type secretList struct {
	scheme       string
	header       string // that carries them, for value.CleanSecret
	values       []value.Secret
	file         string
	key, fileKey string // below that of the configuration
}

// lists has every list of secrets, in the order of schemeNames.
func (c Config) lists() []secretList {
	return []secretList{
		{schemeBearer, value.Authorization, c.Bearer, c.BearerFile, "bearer", "bearer_file"},
		{schemeHeader, c.Header.Name, c.Header.Values, c.Header.ValuesFile, "header.values", "header.values_file"},
		{schemeBasic, "", c.Basic.Passwords, c.Basic.PasswordsFile, "basic.passwords", "basic.passwords_file"},
		{schemeQuery, "", c.Query.Values, c.Query.ValuesFile, "query.values", "query.values_file"},
		{schemePath, "", c.Path.Values, c.Path.ValuesFile, "path.values", "path.values_file"},
		{schemeHMAC, "", c.HMAC.Keys, c.HMAC.KeysFile, "hmac.keys", "hmac.keys_file"},
		{schemeStandardWebhooks, "", c.StandardWebhooks.Keys, c.StandardWebhooks.KeysFile, "standard_webhooks.keys", "standard_webhooks.keys_file"},
	}
}

// Files are the files with secrets that the configuration names.
func (c Config) Files() []string {
	var all []string
	for _, l := range c.lists() {
		all = append(all, l.file)
	}
	for _, s := range c.Secrets {
		all = append(all, s.File)
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// schemes returns the schemes that are configured, in the order of schemeNames.
func (c Config) schemes() []string {
	has := map[string]bool{
		schemeIP:   len(c.IP.Allow) > 0,
		schemeMTLS: len(c.MTLS.Subjects) > 0 || len(c.MTLS.SANs) > 0 || c.MTLS.Any,
	}
	for _, l := range c.lists() {
		has[l.scheme] = len(l.values) > 0 || l.file != ""
	}
	for _, s := range c.Secrets {
		has[s.Scheme] = true
	}
	var all []string
	for _, name := range schemeNames {
		if has[name] {
			all = append(all, name)
		}
	}
	return all
}

// HasPath reports whether the last segment of the source's paths is a secret.
func (c Config) HasPath() bool { return slices.Contains(c.schemes(), schemePath) }

// NotBySecretAlone reports whether the source looks at the address or the certificate of a client, and not
// at secrets alone.
func (c Config) NotBySecretAlone() bool { return len(c.IP.Allow) > 0 || c.HasMTLS() }

// HasMTLS reports whether the source looks at client certificates.
func (c Config) HasMTLS() bool { return slices.Contains(c.schemes(), schemeMTLS) }

func load(c Config, key string) *loaded {
	l := &loaded{
		secrets: map[string][]*secret{}, configured: c.schemes(), allowShort: c.AllowShort,
		nameless: map[string]*Credential{schemeIP: {Name: schemeIP, Scheme: schemeIP}, schemeMTLS: {Name: schemeMTLS, Scheme: schemeMTLS}},
	}
	for _, from := range c.lists() {
		for _, one := range l.read(from, key) {
			one.Name = fmt.Sprintf("%s-%d", from.scheme, len(l.secrets[from.scheme])+1)
			l.secrets[from.scheme] = append(l.secrets[from.scheme], one)
		}
	}
	l.named(c, key)
	given := len(l.configured) > 0 || len(c.Secrets) > 0
	switch {
	case c.Disabled && given:
		l.problems.Add(key+".disabled", "true, but secrets are configured: remove one or the other")
	case !c.Disabled && !given:
		l.problems.Add(key+".bearer", "no secret is configured: set %s, %s.header.values, or %s.disabled: true", orVariable(key), key, key)
	}
	if c.KeepRefused < 0 {
		l.problems.Add(key+".keep_refused", "is %d: use a number of deliveries a minute, or 0 for none", c.KeepRefused)
	}
	l.schemes(c, key)
	l.combination(c, key)
	l.duplicates()
	return l
}

// orVariable names the bearer key, as the environment variable where it has one.
func orVariable(key string) string {
	if strings.Contains(key, "[") {
		return "it"
	}
	return "TREBLE_BRIDGE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "_BEARER"
}

// schemes checks what stands beside the secrets of each scheme.
func (l *loaded) schemes(c Config, key string) {
	l.headerName(c.Header.Name, l.has(schemeHeader), key+".header.name", "values or values_file")
	l.headerName(c.HMAC.Header, l.has(schemeHMAC), key+".hmac.header", "keys or keys_file")
	if c.HMAC.TimestampHeader != "" {
		l.headerName(c.HMAC.TimestampHeader, true, key+".hmac.timestamp_header", "")
	}
	if l.has(schemeHMAC) {
		checkHMAC(c.HMAC, &l.problems, key+".hmac")
		if c.HMAC.hash() == "sha1" {
			l.warn(key+".hmac.hash", "is sha1: use sha256 if the sender offers it")
		}
	}
	l.tolerance(c.HMAC.Tolerance, key+".hmac.tolerance")
	l.tolerance(c.StandardWebhooks.Tolerance, key+".standard_webhooks.tolerance")
	switch has := l.has(schemeBasic); {
	case has && c.Basic.User == "":
		l.problems.Add(key+".basic.user", "is missing: name the user of the passwords")
	case !has && c.Basic.User != "":
		l.problems.Add(key+".basic.user", "is set, but there is no password: set passwords or passwords_file beside it")
	case strings.ContainsAny(c.Basic.User, ":\x00\r\n"):
		l.problems.Add(key+".basic.user", "has a colon or a control character, which a user of Basic cannot have")
	}
	switch has := l.has(schemeQuery); {
	case has && c.Query.Name == "":
		l.problems.Add(key+".query.name", "is missing: name the query parameter that carries the secret, such as token")
	case !has && c.Query.Name != "":
		l.problems.Add(key+".query.name", "is set, but there is no value: set values or values_file beside it")
	}
	if _, err := ParseNetworks(c.IP.Allow); err != nil {
		l.problems.Add(key+".ip.allow", "%w", err)
	}
	if slices.Contains(c.MTLS.Subjects, "") {
		l.problems.Add(key+".mtls.subjects", "has an empty entry: remove it, or name a subject")
	}
	if slices.Contains(c.MTLS.SANs, "") {
		l.problems.Add(key+".mtls.sans", "has an empty entry: remove it, or name an alternative name")
	}
	if c.MTLS.Any && len(c.MTLS.Subjects)+len(c.MTLS.SANs) > 0 {
		l.problems.Add(key+".mtls.any", "is true beside subjects or sans, which then decide nothing: remove one or the other")
	}
}

// longTolerance is the tolerance above which the time of a signature protects little.
const longTolerance = time.Hour

func (l *loaded) tolerance(d time.Duration, key string) {
	switch {
	case d < 0:
		l.problems.Add(key, "is %s: use a duration above zero, such as 5m", d)
	case d > longTolerance:
		l.warn(key, fmt.Sprintf("is %s: whoever has seen a request can send it again for so long: use a few minutes, such as 5m", d))
	}
}

func (l *loaded) has(scheme string) bool { return slices.Contains(l.configured, scheme) }

// combination checks how the schemes combine.
func (l *loaded) combination(c Config, key string) {
	key += ".require"
	p, err := parsePolicy(c.Require, l.configured)
	if err != nil {
		l.problems.Add(key, "%w", err)
		return
	}
	l.policy = p
	if strings.TrimSpace(c.Require) == "" && len(l.configured) > 1 {
		for _, name := range []string{schemeIP, schemeMTLS} {
			if l.has(name) {
				// Without "and" or "or" it would be ambiguous, and one of the readings lets in without a secret.
				l.problems.Add(key, "is missing: %s stands beside other schemes: say whether both are needed, such as: %s, or one is enough, such as: %s",
					name, strings.Join(l.configured, " and "), strings.Join(l.configured, " or "))
				break
			}
		}
	}
	n := len(l.configured)
	if p.needs(slices.Index(l.configured, schemeBearer), n) && p.needs(slices.Index(l.configured, schemeBasic), n) {
		l.problems.Add(key, "asks for bearer and basic: a request has one header Authorization")
	}
	if p.with(func(i int) bool { return l.configured[i] == schemeIP }, n) {
		l.warn(key, "lets in by the address of the client alone, without a secret: whoever can send from it, or through a trusted proxy, can post events")
	}
}

// unsuitable are headers that cannot carry a secret: net/http takes them out, or they have a meaning of
// their own, for HTTP, for proxies or for the bridge.
var unsuitable = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Connection", "Keep-Alive", "Proxy-Connection",
	"Upgrade", "Expect", "Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "Date", "Via", "Forwarded", "X-Forwarded-For",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Treble-Test", "Treble-Received"}

func (l *loaded) headerName(name string, given bool, key, beside string) {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case name == "" && given:
		l.problems.Add(key, "is missing: name the header that carries the secret, such as X-Api-Key")
	case name != "" && !given:
		l.problems.Add(key, "is set, but there is no value: set %s beside it", beside)
	case name != "" && !httpguts.ValidHeaderFieldName(name):
		// Not repeated: it may be the whole line, "X-Api-Key: secret".
		l.problems.Add(key, "is not a header name: use letters, digits and -, such as X-Api-Key")
	case canonical == "Authorization":
		l.problems.Add(key, "is Authorization: use bearer for it, or another header")
	case slices.Contains(unsuitable, canonical):
		l.problems.Add(key, "is %s, which HTTP, proxies or the bridge use for something else: use another header, such as X-Api-Key", canonical)
	}
}

// credentials returns what can let a request in, in the order of schemeNames.
func (l *loaded) credentials() []*Credential {
	var all []*Credential
	for _, scheme := range l.configured {
		for _, one := range l.secrets[scheme] {
			all = append(all, &one.Credential)
		}
		if c, ok := l.nameless[scheme]; ok {
			all = append(all, c)
		}
	}
	return all
}

// build makes a scheme of a configuration without problems.
func (l *loaded) build(c Config, name string) scheme {
	all := l.secrets[name]
	switch name {
	case schemeBearer:
		return bearer{newSecrets(all, nil)}
	case schemeHeader:
		return header{newSecrets(all, nil), textproto.CanonicalMIMEHeaderKey(c.Header.Name)}
	case schemeBasic:
		return basic{newSecrets(all, func(password string) string { return c.Basic.User + ":" + password })}
	case schemeQuery:
		return query{newSecrets(all, nil), c.Query.Name}
	case schemePath:
		return path{newSecrets(all, nil)}
	case schemeHMAC:
		return newHMAC(c.HMAC, all)
	case schemeStandardWebhooks:
		return newStandard(c.StandardWebhooks, all)
	case schemeMTLS:
		return mtls{c.MTLS, l.nameless[name]}
	case schemeIP:
		networks, _ := ParseNetworks(c.IP.Allow) // load has found no error
		return ip{networks, l.nameless[name]}
	}
	panic("auth: no such scheme: " + name) // schemes has no other
}
