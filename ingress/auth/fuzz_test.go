package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// FuzzSignature: no header lets in a body that nobody has signed. The keys are not
// in what is fuzzed, so that nothing may be let in.
func FuzzSignature(f *testing.F) {
	for _, seed := range []string{"", "t=1492774577,v1=00", "sha256=757107ea", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1, v1,", "t=,v1=,", "t=1492774577"} {
		f.Add(seed, "1492774577", "msg_1", []byte("{}"))
	}
	now := time.Unix(1492774577, 0)
	plain := auth.HMACConfig{Header: "X-Sum", Prefix: "sha256=", Keys: []value.Secret{first}}
	slack := auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{first}, Encoding: "base64", TimestampHeader: "Webhook-Timestamp", Template: "{timestamp}{body}"}
	own := stripe()
	own.Header = "X-Sum"
	var all []*auth.Authenticator
	for _, c := range []auth.HMACConfig{plain, slack, own} {
		all = append(all, newAuthenticator(f, auth.Config{HMAC: c}))
	}
	all = append(all, newAuthenticator(f, auth.Config{StandardWebhooks: auth.StandardWebhooksConfig{Keys: []value.Secret{"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}}}))
	f.Fuzz(func(t *testing.T, signature, timestamp, id string, body []byte) {
		r := &http.Request{Header: http.Header{"X-Sum": {signature}, "Webhook-Signature": {signature}, "Webhook-Timestamp": {timestamp}, "Webhook-Id": {id}}}
		for _, a := range all {
			if got := authenticate(a, auth.Request{Request: r, Now: now}, body); got != nil {
				t.Errorf("%q, %q, %q let %q in as %s", signature, timestamp, id, body, got)
			}
		}
	})
}

// FuzzBasicAndQuery: only what holds the secret is let in.
func FuzzBasicAndQuery(f *testing.F) {
	for _, seed := range []string{"", "Basic eDp5", "basic  YTpi=", "t=x", "t=" + first, "t=a;b", "%zz"} {
		f.Add(seed)
	}
	a := newAuthenticator(f, auth.Config{
		Basic: auth.BasicConfig{User: "u", Passwords: []value.Secret{second}},
		Query: auth.QueryConfig{Name: "t", Values: []value.Secret{first}},
	})
	f.Fuzz(func(t *testing.T, given string) {
		r := &http.Request{URL: &url.URL{RawQuery: given}, Header: http.Header{"Authorization": {given}}}
		got := authenticate(a, auth.Request{Request: r}, nil)
		if got == nil {
			return
		}
		values, err := url.ParseQuery(given)
		words := strings.Fields(given)
		if err == nil && values.Get("t") == first || len(words) == 2 && words[1] == "dTpzZWNvbmQtc2VjcmV0LTAwMDAy" {
			return
		}
		t.Errorf("%q was let in as %s", given, got)
	})
}
