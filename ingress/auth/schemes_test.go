package auth_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// post is a request with headers, as pairs of name and value.
func post(headers ...string) auth.Request {
	r := httptest.NewRequest("POST", "/webhook", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return auth.Request{Request: r, Now: time.Now()}
}

// postAt is post at another time.
func postAt(now time.Time, headers ...string) auth.Request {
	in := post(headers...)
	in.Now = now
	return in
}

func (tt schemeCase) run(t *testing.T, a *auth.Authenticator) {
	t.Helper()
	if got := authenticate(a, tt.in, []byte(tt.body)); (got != nil) != (tt.want != "") || got != nil && got[0] != tt.want {
		t.Errorf("%s: let in as %q, want %q", tt.name, got, tt.want)
	}
}

type schemeCase struct {
	name string
	in   auth.Request
	body string
	want string // credential, "" if refused
}

// sumOf is an HMAC with SHA-256.
func sumOf(key, text string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func TestBasic(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Basic: auth.BasicConfig{User: "Aladdin", Passwords: []value.Secret{"open sesame and more", second}}})
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, tt := range []schemeCase{
		{name: "right", in: post("Authorization", basic("Aladdin:open sesame and more")), want: "basic-1"},
		{name: "second", in: post("Authorization", strings.ToLower("Basic")+basic("Aladdin:" + second)[5:]), want: "basic-2"},
		{name: "nothing", in: post()},
		{name: "other-user", in: post("Authorization", basic("aladdin:open sesame and more"))},
		{name: "wrong", in: post("Authorization", basic("Aladdin:open sesame and mor"))},
		{name: "no-user", in: post("Authorization", basic("open sesame and more"))},
		{name: "no-base64", in: post("Authorization", "Basic Aladdin:open sesame and more")},
		{name: "bearer", in: post("Authorization", "Bearer "+basic("Aladdin:open sesame and more")[6:])},
		{name: "twice", in: post("Authorization", basic("Aladdin:open sesame and more"), "Authorization", basic("Aladdin:open sesame and more"))},
	} {
		tt.run(t, a)
	}
	if got := a.Challenge(); !strings.HasPrefix(got, "Basic realm=") {
		t.Errorf("challenge: got %q", got)
	}
}

func TestQuery(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Query: auth.QueryConfig{Name: "token", Values: []value.Secret{first}}})
	at := func(query string) auth.Request {
		in := post()
		in.URL.RawQuery = query
		return in
	}
	for _, tt := range []schemeCase{
		{name: "right", in: at("token=" + first), want: "query-1"},
		{name: "escaped", in: at("a=b&token=" + strings.ReplaceAll(first, "-", "%2D")), want: "query-1"},
		{name: "nothing", in: at("")},
		{name: "wrong", in: at("token=" + first[1:])},
		{name: "twice", in: at("token=" + first + "&token=" + first)},
		{name: "other-name", in: at("Token=" + first)},
		{name: "malformed", in: at("token=" + first + "&a=%zz")},
		{name: "semicolon", in: at("token=" + first + ";a")},
		{name: "header", in: post("Token", first)},
	} {
		tt.run(t, a)
	}
}

func TestPath(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Path: auth.PathConfig{Values: []value.Secret{first}}})
	at := func(segment string) auth.Request {
		in := post()
		in.Segment = segment
		return in
	}
	for _, tt := range []schemeCase{
		{name: "right", in: at(first), want: "path-1"},
		{name: "nothing", in: at("")},
		{name: "wrong", in: at(first + "x")},
		{name: "slash", in: at(first + "/")},
	} {
		tt.run(t, a)
	}
	if !a.SecretPaths() || !a.PathSecret(first) || a.PathSecret("webhook") {
		t.Error("what is a secret of the path is not known")
	}
}

// The vectors are those that the senders publish, or of RFC 4231 and RFC 2202.
func TestHMACVectors(t *testing.T) {
	const nothing = "what do ya want for nothing?"
	decoded := func(sum string) []byte {
		b, err := hex.DecodeString(sum)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const sha256Of, sha1Of = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
	const sha512Of = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
	for _, tt := range []struct {
		name      string
		config    auth.HMACConfig
		key, body string
		now       time.Time
		headers   []string
	}{
		{"github", auth.HMACConfig{Header: "X-Hub-Signature-256", Prefix: "sha256="}, "It's a Secret to Everybody", "Hello, World!", time.Time{},
			[]string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
		{"slack", auth.HMACConfig{Header: "X-Slack-Signature", Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp", Template: "v0:{timestamp}:{body}"},
			"8f742231b10e8888abcd99yyyzzz85a5",
			"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner" +
				"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
				"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c", time.Unix(1531420618, 0),
			[]string{"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp", "1531420618"}},
		{"sha256", auth.HMACConfig{Header: "X-Sum"}, "Jefe", nothing, time.Time{}, []string{"X-Sum", sha256Of}},
		{"sha256-upper-case", auth.HMACConfig{Header: "X-Sum"}, "Jefe", nothing, time.Time{}, []string{"X-Sum", strings.ToUpper(sha256Of)}},
		{"sha512", auth.HMACConfig{Header: "X-Sum", Hash: "sha512"}, "Jefe", nothing, time.Time{}, []string{"X-Sum", sha512Of}},
		{"sha1", auth.HMACConfig{Header: "X-Sum", Hash: "sha1", Prefix: "sha1="}, "Jefe", nothing, time.Time{}, []string{"X-Sum", "sha1=" + sha1Of}},
		{"base64", auth.HMACConfig{Header: "X-Sum", Encoding: "base64"}, "Jefe", nothing, time.Time{}, []string{"X-Sum", base64.StdEncoding.EncodeToString(decoded(sha256Of))}},
		{"base64url", auth.HMACConfig{Header: "X-Sum", Hash: "SHA512", Encoding: "base64url"}, "Jefe", nothing, time.Time{},
			[]string{"X-Sum", base64.RawURLEncoding.EncodeToString(decoded(sha512Of))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Keys = []value.Secret{value.Secret(tt.key)}
			a := newAuthenticator(t, auth.Config{HMAC: tt.config, AllowShort: true})
			in := post(tt.headers...)
			if !tt.now.IsZero() {
				in.Now = tt.now
			}
			if got := authenticate(a, in, []byte(tt.body)); !slices.Equal(got, []string{"hmac-1"}) {
				t.Errorf("got %q, want hmac-1", got)
			}
			if got := authenticate(a, in, []byte(tt.body+" ")); got != nil {
				t.Errorf("another body was let in as %q", got)
			}
			if got := authenticate(a, post(), []byte(tt.body)); got != nil {
				t.Errorf("without a signature it was let in as %q", got)
			}
			tt.config.Keys = []value.Secret{value.Secret(tt.key + "x")}
			if got := authenticate(newAuthenticator(t, auth.Config{HMAC: tt.config, AllowShort: true}), in, []byte(tt.body)); got != nil {
				t.Errorf("another key let it in as %q", got)
			}
		})
	}
}

// stripe is the documented configuration for Stripe.
func stripe() auth.HMACConfig {
	return auth.HMACConfig{Header: "Stripe-Signature", Keys: []value.Secret{first, second}, Prefix: "v1=", Separator: ",", TimestampPrefix: "t=",
		Template: "{timestamp}.{body}"}
}

func TestStripe(t *testing.T) {
	a := newAuthenticator(t, auth.Config{HMAC: stripe()})
	now := time.Unix(1492774577, 0)
	const body = `{"id":"evt_1"}`
	sign := func(key string, at time.Time) string {
		return hex.EncodeToString(sumOf(key, fmt.Sprintf("%d.%s", at.Unix(), body)))
	}
	const other = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd" // of the documentation's example
	right := sign(first, now)
	old, ahead := now.Add(-5*time.Minute-time.Second), now.Add(5*time.Minute+time.Second)
	for _, tt := range []struct{ name, value, want string }{
		{"right", "t=1492774577,v1=" + right, "hmac-1"},
		{"as-documented", "t=1492774577,v1=" + right + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39", "hmac-1"},
		{"rolled-secret", "t=1492774577,v1=" + other + ",v1=" + sign(second, now), "hmac-2"},
		{"blanks", "t=1492774577, v1=" + right, "hmac-1"},
		{"other-secret", "t=1492774577,v1=" + other, ""},
		{"test-scheme-only", "t=1492774577,v0=" + right, ""},
		{"no-time", "v1=" + right, ""},
		{"two-times", "t=1492774577,t=1492774577,v1=" + right, ""},
		{"changed-time", "t=1492774578,v1=" + right, ""},
		{"old", fmt.Sprintf("t=%d,v1=%s", old.Unix(), sign(first, old)), ""},
		{"ahead", fmt.Sprintf("t=%d,v1=%s", ahead.Unix(), sign(first, ahead)), ""},
		{"sign", "t=+1492774577,v1=" + right, ""},
		{"zero", "t=01492774577,v1=" + right, ""},
		{"empty", "", ""},
		{"cut-off", "t=1492774577,v1=" + right[:62], ""},
		{"many", "t=1492774577" + strings.Repeat(",v1="+other, 40) + ",v1=" + right, ""},
	} {
		schemeCase{tt.name, postAt(now, "Stripe-Signature", tt.value), body, tt.want}.run(t, a)
	}
	twice := postAt(now, "Stripe-Signature", "t=1492774577,v1="+right, "Stripe-Signature", "t=1492774577,v1="+right)
	schemeCase{"twice", twice, body, ""}.run(t, a)
}

// TestSignatureBeforeBody: what cannot be right is refused before the body is asked for.
func TestSignatureBeforeBody(t *testing.T) {
	a := newAuthenticator(t, auth.Config{HMAC: stripe()})
	for name, value := range map[string]string{"nothing": "", "garbage": "x", "stale": "t=1492774577,v1=" + strings.Repeat("a", 64)} {
		if v := a.Check(post("Stripe-Signature", value)); v.NeedsBody() || v.Accepted() {
			t.Errorf("%s: the body is asked for", name)
		}
	}
	if v := a.Check(post("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", time.Now().Unix(), strings.Repeat("a", 64)))); !v.NeedsBody() {
		t.Error("a signature that may be right is refused without a look at the body")
	}
}

// The vector is that of the reference libraries.
func TestStandardWebhooks(t *testing.T) {
	const key, id, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`
	const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	const other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	a := newAuthenticator(t, auth.Config{StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", key}}})
	now := time.Unix(1614265330, 0)
	whole := func(signature string) []string {
		return []string{"webhook-id", id, "webhook-timestamp", "1614265330", "webhook-signature", signature}
	}
	for _, tt := range []schemeCase{
		{"right", postAt(now, whole(signature)...), body, "standard_webhooks-2"},
		{"several", postAt(now, whole(other+" v2,"+signature[3:]+" "+signature)...), body, "standard_webhooks-2"},
		{"within-tolerance", postAt(now.Add(4*time.Minute), whole(signature)...), body, "standard_webhooks-2"},
		{"other-body", postAt(now, whole(signature)...), body + " ", ""},
		{"other-signature", postAt(now, whole(other)...), body, ""},
		{"other-version", postAt(now, whole("v2"+signature[2:])...), body, ""},
		{"no-version", postAt(now, whole(signature[3:])...), body, ""},
		{"partial", postAt(now, whole("v1,")...), body, ""},
		{"old", postAt(now.Add(5*time.Minute+time.Second), whole(signature)...), body, ""},
		{"ahead", postAt(now.Add(-5*time.Minute-time.Second), whole(signature)...), body, ""},
		{"no-id", postAt(now, whole(signature)[2:]...), body, ""},
		{"no-time", postAt(now, "webhook-id", id, "webhook-signature", signature), body, ""},
		{"no-signature", postAt(now, whole(signature)[:4]...), body, ""},
		{"id-twice", postAt(now, append(whole(signature), "webhook-id", id)...), body, ""},
		{"other-id", postAt(now, "webhook-id", id+"x", "webhook-timestamp", "1614265330", "webhook-signature", signature), body, ""},
		{"other-time", postAt(now, "webhook-id", id, "webhook-timestamp", "1614265331", "webhook-signature", signature), body, ""},
		{"many", postAt(now, whole(strings.Repeat(other+" ", 20)+signature)...), body, ""},
	} {
		tt.run(t, a)
	}
}

func certificate(edit func(*x509.Certificate)) *tls.ConnectionState {
	c := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "treble", Organization: []string{"Example"}},
		NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"Sender.example.com"}, EmailAddresses: []string{"a@example.com"},
		IPAddresses: []net.IP{net.ParseIP("192.0.2.7")},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/treble"}},
	}
	if edit != nil {
		edit(c)
	}
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}, PeerCertificates: []*x509.Certificate{c}}
}

func TestMTLS(t *testing.T) {
	unverified := certificate(nil)
	unverified.VerifiedChains = nil
	pretender := certificate(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "CN=treble,O=Example"}
		c.DNSNames, c.EmailAddresses, c.URIs, c.IPAddresses = nil, nil, nil, nil
	})
	for _, tt := range []struct {
		name   string
		config auth.MTLSConfig
		state  *tls.ConnectionState
		in     bool
	}{
		{"any", auth.MTLSConfig{Any: true}, certificate(nil), true},
		{"common-name", auth.MTLSConfig{Subjects: []string{"other", "treble"}}, certificate(nil), true},
		{"subject", auth.MTLSConfig{Subjects: []string{"CN=treble,O=Example"}}, certificate(nil), true},
		{"dns", auth.MTLSConfig{SANs: []string{"sender.example.com"}}, certificate(nil), true},
		{"mail", auth.MTLSConfig{SANs: []string{"a@example.com"}}, certificate(nil), true},
		{"uri", auth.MTLSConfig{SANs: []string{"spiffe://example.com/treble"}}, certificate(nil), true},
		{"address", auth.MTLSConfig{SANs: []string{"192.0.2.7"}}, certificate(nil), true},
		{"no-tls", auth.MTLSConfig{Any: true}, nil, false},
		{"not-verified", auth.MTLSConfig{Any: true}, unverified, false},
		{"other-subject", auth.MTLSConfig{Subjects: []string{"Treble"}}, certificate(nil), false},
		{"other-name", auth.MTLSConfig{SANs: []string{"example.com", "192.0.2.8"}}, certificate(nil), false},
		{"expired-since", auth.MTLSConfig{Any: true}, certificate(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }), false},
		{"common-name-like-a-subject", auth.MTLSConfig{Subjects: []string{"CN=treble,O=Example"}}, pretender, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := post()
			in.TLS = tt.state
			if got := authenticate(newAuthenticator(t, auth.Config{MTLS: tt.config}), in, nil); (got != nil) != tt.in {
				t.Errorf("got %q, want let in: %v", got, tt.in)
			}
		})
	}
}

func TestAllowedAddresses(t *testing.T) {
	a := newAuthenticator(t, auth.Config{IP: auth.IPConfig{Allow: []string{"192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:203.0.113.0/120"}}})
	for address, in := range map[string]bool{
		"192.0.2.200": true, "::ffff:192.0.2.1": true, "198.51.100.7": true, "2001:db8:1::1": true, "203.0.113.9": true,
		"192.0.3.1": false, "198.51.100.8": false, "2001:db9::1": false, "203.0.114.1": false,
	} {
		r := post()
		r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(address), 4711).String()
		r.Client, _ = auth.Proxies(nil).Client(r.Request)
		if got := authenticate(a, r, nil); (got != nil) != in {
			t.Errorf("%s: got %q, want let in: %v", address, got, in)
		}
	}
	if got := authenticate(a, post(), nil); got != nil { // an address that is not known
		t.Errorf("without an address it was let in as %q", got)
	}
	if v := a.Check(auth.Request{Request: post().Request, Now: time.Now(), Client: netip.MustParseAddr("192.0.2.1")}); v.Secret() {
		t.Error("an address counts as a secret")
	}
}

// TestPolicyOfEveryCombination: every combination of what a request can have, against what it takes.
func TestPolicyOfEveryCombination(t *testing.T) {
	config := auth.Config{
		Bearer: []value.Secret{first},
		Header: auth.HeaderConfig{Name: "X-Key", Values: []value.Secret{second}},
		HMAC:   auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{third}},
		IP:     auth.IPConfig{Allow: []string{"192.0.2.0/24"}},
	}
	const body = "the body"
	sum := hex.EncodeToString(sumOf(third, body))
	for require, right := range map[string]func(bearer, header, hmac, ip bool) bool{
		"bearer and header and hmac and ip":       func(b, h, m, i bool) bool { return b && h && m && i },
		"bearer or header or hmac or ip":          func(b, h, m, i bool) bool { return b || h || m || i },
		"ip and (bearer or header or hmac)":       func(b, h, m, i bool) bool { return i && (b || h || m) },
		"IP AND ((bearer AND hmac) OR header)":    func(b, h, m, i bool) bool { return i && (b && m || h) },
		"(hmac and ip) or (bearer and header)":    func(b, h, m, i bool) bool { return m && i || b && h },
		"( ( bearer ) ) and(header or hmac)or ip": nil, // and beside or
	} {
		config.Require = require
		a, err := auth.New(config, "auth")
		if right == nil {
			if err == nil || !strings.Contains(err.Error(), "auth.require: has and beside or") {
				t.Errorf("%s: got %v, want an error", require, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", require, err)
		}
		for bits := range 16 {
			has := func(i int) bool { return bits>>i&1 == 1 }
			in := post("Authorization", "Bearer wrong", "X-Key", "wrong", "X-Sum", strings.Repeat("0", 64))
			in.Client = netip.MustParseAddr("198.51.100.1")
			if has(0) {
				in.Header.Set("Authorization", "Bearer "+first)
			}
			if has(1) {
				in.Header.Set("X-Key", second)
			}
			if has(2) {
				in.Header.Set("X-Sum", sum)
			}
			if has(3) {
				in.Client = netip.MustParseAddr("192.0.2.1")
			}
			if got, want := authenticate(a, in, []byte(body)) != nil, right(has(0), has(1), has(2), has(3)); got != want {
				t.Errorf("%s with bearer %v, header %v, hmac %v, ip %v: let in %v, want %v", require, has(0), has(1), has(2), has(3), got, want)
			}
		}
	}
}

func TestNamedSecrets(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a := newAuthenticator(t, auth.Config{
		Bearer: []value.Secret{first},
		Secrets: []auth.SecretConfig{
			{Name: "old", Scheme: "bearer", Value: second, NotAfter: "2026-03-02T00:00:00Z"},
			{Name: "new", Scheme: "bearer", File: file(t, third+"\n"), NotBefore: "2026-03-01T12:00:00+00:00", NotAfter: "2100-01-01T00:00:00Z"},
		},
	})
	for _, tt := range []struct {
		token string
		now   time.Time
		want  string
	}{
		{first, now, "bearer-1"},
		{second, now, "old"},
		{second, now.Add(24*time.Hour - 1), "old"},
		{second, now.Add(24 * time.Hour), ""},
		{third, now, ""},
		{third, now.Add(12 * time.Hour), "new"},
	} {
		schemeCase{tt.now.String(), postAt(tt.now, "Authorization", "Bearer "+tt.token), "", tt.want}.run(t, a)
	}
	var names []string
	for i, c := range a.Credentials() {
		names = append(names, c.Scheme+":"+c.Name)
		if c.Index != i {
			t.Errorf("%s: index %d, want %d", c.Name, c.Index, i)
		}
	}
	if !slices.Equal(names, []string{"bearer:bearer-1", "bearer:old", "bearer:new"}) {
		t.Errorf("credentials: got %q", names)
	}
}

// TestSchemesValidate: each mistake is an error that names its key, and no secret.
func TestSchemesValidate(t *testing.T) {
	hm := func(edit func(*auth.HMACConfig)) auth.Config {
		c := auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{first}}
		edit(&c)
		return auth.Config{HMAC: c}
	}
	named := func(s auth.SecretConfig) auth.Config {
		return auth.Config{Bearer: []value.Secret{second}, Secrets: []auth.SecretConfig{s}}
	}
	tests := []struct {
		name   string
		config auth.Config
		want   string // a part of the error, "" for none
	}{
		{"hmac", hm(func(*auth.HMACConfig) {}), ""},
		{"hmac-no-header", hm(func(c *auth.HMACConfig) { c.Header = "" }), "auth.hmac.header: is missing"},
		{"hmac-no-key", hm(func(c *auth.HMACConfig) { c.Keys = nil }), "auth.bearer: no secret is configured"},
		{"hmac-hash", hm(func(c *auth.HMACConfig) { c.Hash = "md5" }), `auth.hmac.hash: "md5" is not known`},
		{"hmac-encoding", hm(func(c *auth.HMACConfig) { c.Encoding = "base32" }), "auth.hmac.encoding: "},
		{"hmac-no-body", hm(func(c *auth.HMACConfig) { c.Template = "x" }), "auth.hmac.template: must have {body} once"},
		{"hmac-placeholder", hm(func(c *auth.HMACConfig) { c.Template = "{id}.{body}" }), "auth.hmac.template: has a placeholder that is not known"},
		{"hmac-time-not-signed", hm(func(c *auth.HMACConfig) { c.TimestampHeader = "X-Time" }), "auth.hmac.template: has no {timestamp}"},
		{"hmac-time-nowhere", hm(func(c *auth.HMACConfig) { c.Template = "{timestamp}{body}" }), "auth.hmac.template: has {timestamp}, but"},
		{"hmac-no-separator", hm(func(c *auth.HMACConfig) {
			c.Prefix, c.TimestampPrefix, c.Template = "v1=", "t=", "{timestamp}.{body}"
		}), "auth.hmac.separator: is missing"},
		{"hmac-tolerance", hm(func(c *auth.HMACConfig) { c.Tolerance = -1 }), "auth.hmac.tolerance: "},
		{"standard-tolerance", auth.Config{StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, Tolerance: -1}},
			"auth.standard_webhooks.tolerance: is -1ns"},
		{"hmac-host", hm(func(c *auth.HMACConfig) { c.Header = "Host" }), "auth.hmac.header: is Host"},
		{"hmac-sha1", hm(func(c *auth.HMACConfig) { c.Hash = "sha1" }), ""},
		{"basic-no-user", auth.Config{Basic: auth.BasicConfig{Passwords: []value.Secret{first}}}, "auth.basic.user: is missing"},
		{"basic-colon", auth.Config{Basic: auth.BasicConfig{User: "a:b", Passwords: []value.Secret{first}}}, "auth.basic.user: has a colon"},
		{"basic-no-password", auth.Config{Bearer: []value.Secret{first}, Basic: auth.BasicConfig{User: "a"}}, "auth.basic.user: is set, but"},
		{"query-no-name", auth.Config{Query: auth.QueryConfig{Values: []value.Secret{first}}}, "auth.query.name: is missing"},
		{"path-escaped", auth.Config{Path: auth.PathConfig{Values: []value.Secret{third}}}, "auth.path.values[0]: the secret has a character"},
		{"standard-base64", auth.Config{StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"whsec_###########################"}}},
			"auth.standard_webhooks.keys[0]: the key is not base64"},
		{"standard-short", auth.Config{StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"whsec_AAECAwQFBgcICQoLDA0="}}},
			"auth.standard_webhooks.keys[0]: the secret has fewer than 16 bytes"},
		{"ip", auth.Config{IP: auth.IPConfig{Allow: []string{"10.0.0.0/8", "10.0.0.300"}}}, `auth.ip.allow: entry 2, "10.0.0.300", is no address`},
		{"ip-everybody", auth.Config{IP: auth.IPConfig{Allow: []string{"::1", "0.0.0.0/0"}}}, `auth.ip.allow: entry 2, "0.0.0.0/0", is everybody`},
		{"ip-mapped-everybody", auth.Config{IP: auth.IPConfig{Allow: []string{"::ffff:0.0.0.0/96"}}}, "auth.ip.allow: entry 1"},
		{"ip-mapped", auth.Config{IP: auth.IPConfig{Allow: []string{"::ffff:0.0.0.0/90"}}}, "auth.ip.allow: entry 1"},
		{"ip-beside", auth.Config{Bearer: []value.Secret{first}, IP: auth.IPConfig{Allow: []string{"10.0.0.0/8"}}},
			"auth.require: is missing: ip stands beside other schemes: say whether both are needed, such as: bearer and ip,"},
		{"mtls-empty", auth.Config{MTLS: auth.MTLSConfig{Subjects: []string{""}}}, "auth.mtls.subjects: has an empty entry"},
		{"mtls-any-and-names", auth.Config{MTLS: auth.MTLSConfig{SANs: []string{"a"}, Any: true}}, "auth.mtls.any: is true beside"},
		{"require-unknown", auth.Config{Bearer: []value.Secret{first}, Require: "token"}, "auth.require: want a scheme"},
		{"require-absent", auth.Config{Bearer: []value.Secret{first}, Require: "bearer or hmac"}, "auth.require: asks for hmac, which is not configured"},
		{"require-left-out", auth.Config{Bearer: []value.Secret{first}, Query: auth.QueryConfig{Name: "t", Values: []value.Secret{first}}, Require: "bearer"},
			"auth.require: does not ask for query"},
		{"require-open", auth.Config{Bearer: []value.Secret{first}, Require: "(bearer"}, "auth.require: has a ( too many"},
		{"require-close", auth.Config{Bearer: []value.Secret{first}, Require: "bearer)"}, "auth.require: has a ) too many"},
		{"require-deep", auth.Config{Bearer: []value.Secret{first}, Require: strings.Repeat("(", 99) + "bearer"}, "auth.require: is nested deeper"},
		{"bearer-and-basic", auth.Config{Bearer: []value.Secret{first}, Basic: auth.BasicConfig{User: "a", Passwords: []value.Secret{first}}, Require: "bearer and basic"},
			"auth.require: asks for bearer and basic"},
		{"named", named(auth.SecretConfig{Name: "a", Scheme: "bearer", Value: first}), ""},
		{"named-alone", auth.Config{Secrets: []auth.SecretConfig{{Name: "a", Scheme: "bearer", Value: first}}}, ""},
		{"named-scheme", named(auth.SecretConfig{Name: "a", Scheme: "token", Value: first}), `auth.secrets[0].scheme: "token" is not a scheme`},
		{"named-no-name", named(auth.SecretConfig{Scheme: "bearer", Value: first}), "auth.secrets[0].name: is not a name"},
		{"named-as-a-scheme", named(auth.SecretConfig{Name: "ip", Scheme: "bearer", Value: first}), `auth.secrets[0].name: "ip" is the name of a scheme`},
		{"named-as-itself", named(auth.SecretConfig{Name: "0123456789abcdef", Scheme: "bearer", Value: "0123456789abcdef"}), "auth.secrets[0].name: is the secret itself"},
		{"named-as-another", named(auth.SecretConfig{Name: "bearer-1", Scheme: "bearer", Value: first}), `auth.secrets[0].name: "bearer-1" is the name of auth.bearer[0] too`},
		{"named-no-value", named(auth.SecretConfig{Name: "a", Scheme: "bearer"}), "auth.secrets[0].value: the secret is empty"},
		{"named-two-values", named(auth.SecretConfig{Name: "a", Scheme: "bearer", Value: first, File: "/x"}), "auth.secrets[0].file: is set beside value"},
		{"named-no-file", named(auth.SecretConfig{Name: "a", Scheme: "bearer", File: "/nowhere/at/all"}), "auth.secrets[0].file: open /nowhere"},
		{"named-time", named(auth.SecretConfig{Name: "a", Scheme: "bearer", Value: first, NotBefore: "tomorrow"}), "auth.secrets[0].not_before: "},
		{"named-never", named(auth.SecretConfig{Name: "a", Scheme: "bearer", Value: first, NotBefore: "2026-03-01T00:00:00Z", NotAfter: "2026-03-01T00:00:00Z"}),
			"auth.secrets[0].not_after: is not after not_before"},
		{"named-header", named(auth.SecretConfig{Name: "a", Scheme: "header", Value: first}), "auth.header.name: is missing"},
		{"keep-refused", auth.Config{Bearer: []value.Secret{first}, KeepRefused: -1}, "auth.keep_refused: is -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var parts []string
			if tt.want != "" {
				parts = []string{tt.want}
			}
			checkValidate(t, tt.config, "auth", parts...)
		})
	}
}

// TestSchemesWarnings: what works and protects from little is said.
func TestSchemesWarnings(t *testing.T) {
	for want, c := range map[string]auth.Config{
		"":                             {HMAC: auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{first}}},
		"auth.hmac.hash: is sha1":      {HMAC: auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{first}, Hash: "sha1"}},
		"auth.hmac.tolerance: is 2h0m": {HMAC: func() auth.HMACConfig { c := stripe(); c.Tolerance = 2 * time.Hour; return c }()},
		"auth.require: lets in by the address of the client alone": {IP: auth.IPConfig{Allow: []string{"192.0.2.1"}}},
		"auth.bearer[1]: the secret is that of auth.bearer[0] too": {Bearer: []value.Secret{first, first}},
		"auth.secrets[0].not_after: is over": {Bearer: []value.Secret{second},
			Secrets: []auth.SecretConfig{{Name: "old", Scheme: "bearer", Value: first, NotAfter: "2020-01-01T00:00:00Z"}}},
	} {
		if err := c.Validate("auth"); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		got := c.Warnings("auth")
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) || strings.Contains(strings.Join(got, ""), first) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestSigner: what the commands of the bridge send is let in, by every scheme.
func TestSigner(t *testing.T) {
	now := time.Now()
	random := func() value.Secret { return value.Secret(strings.ToLower(rand.Text())) }
	const body = `{"a":1}`
	for name, c := range map[string]auth.Config{
		"bearer":            {Bearer: []value.Secret{random()}},
		"header":            {Header: auth.HeaderConfig{Name: "X-Key", Values: []value.Secret{random()}}},
		"basic":             {Basic: auth.BasicConfig{User: "u", Passwords: []value.Secret{random()}}},
		"query":             {Query: auth.QueryConfig{Name: "t", Values: []value.Secret{"a&b=c d+e%20äöü"}}},
		"path":              {Path: auth.PathConfig{Values: []value.Secret{random()}}},
		"hmac":              {HMAC: auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{random()}, Encoding: "base64", Hash: "sha512"}},
		"stripe":            {HMAC: stripe()},
		"slack":             {HMAC: auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{random()}, Prefix: "v0=", TimestampHeader: "X-Time", Template: "v0:{timestamp}:{body}", Encoding: "base64url"}},
		"standard_webhooks": {StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}},
		"all": {Bearer: []value.Secret{random()}, Header: auth.HeaderConfig{Name: "X-Key", Values: []value.Secret{random()}}, HMAC: stripe(),
			Require: "bearer and header and hmac"},
		"either-of-one-header": {Bearer: []value.Secret{random()}, Basic: auth.BasicConfig{User: "u", Passwords: []value.Secret{random()}}},
		"address-or-secret":    {Bearer: []value.Secret{random()}, IP: auth.IPConfig{Allow: []string{"192.0.2.1"}}, Require: "bearer or ip"},
		"not-yet-valid": {Secrets: []auth.SecretConfig{{Name: "next", Scheme: "bearer", Value: random(), NotBefore: now.Add(time.Hour).Format(time.RFC3339)},
			{Name: "now", Scheme: "bearer", Value: random()}}},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := c.Signer(now)
			if err != nil || signer == nil {
				t.Fatalf("got %v %v, want a signer", signer, err)
			}
			r := httptest.NewRequest("POST", "/webhook/*", nil)
			if err := signer.Sign(r, []byte(body), now); err != nil {
				t.Fatal(err)
			}
			again, err := http.NewRequest("POST", r.URL.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			again.Header = r.Header
			in := auth.Request{Request: again, Now: now, Segment: strings.TrimPrefix(again.URL.Path, "/webhook/")}
			if authenticate(newAuthenticator(t, c), in, []byte(body)) == nil {
				t.Errorf("what was signed is refused: %s %v", again.URL, again.Header)
			}
		})
	}
	if signer, err := (auth.Config{Disabled: true}).Signer(now); signer != nil || err != nil {
		t.Errorf("disabled: got %v %v, want none", signer, err)
	}
	expired := auth.Config{Secrets: []auth.SecretConfig{{Name: "a", Scheme: "bearer", Value: first, NotAfter: "2020-01-01T00:00:00Z"}}}
	if _, err := expired.Signer(now); err == nil {
		t.Error("a secret that is over signs")
	}
}
