package auth

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// grant compares the secret that a request carries with those of a scheme.
func (s secrets) grant(given string, present bool, in Request) (*Credential, state) {
	if c := s.find(given, present, in.Now); c != nil {
		return c, satisfied
	}
	return nil, refused
}

// bearer takes "Authorization: Bearer <token>" (RFC 6750).
type bearer struct{ secrets }

func (b bearer) check(in Request) (*Credential, state) {
	token, ok := authorization(in, "Bearer")
	return b.grant(token, ok, in)
}

// authorization returns what stands behind the scheme in the header Authorization. The scheme is
// compared without regard to case, as RFC 9110 wants it.
func authorization(in Request, scheme string) (string, bool) {
	value, once := only(in.Header["Authorization"])
	got, rest, ok := strings.Cut(value, " ")
	if !once || !ok || !strings.EqualFold(got, scheme) {
		return "", false
	}
	rest = strings.Trim(rest, " \t")
	return rest, rest != ""
}

// header takes a secret in a header of its own.
type header struct {
	secrets
	name string // canonical
}

func (h header) check(in Request) (*Credential, state) {
	value, ok := only(in.Header[h.name])
	return h.grant(value, ok && value != "", in)
}

// basic takes a user and a password (RFC 7617). Its secrets are both, with a colon between.
type basic struct{ secrets }

func (b basic) check(in Request) (*Credential, state) {
	encoded, ok := authorization(in, "Basic")
	pair, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return b.grant(string(pair), ok && err == nil, in)
}

// query takes a secret in the query of the URL.
type query struct {
	secrets
	name string
}

func (q query) check(in Request) (*Credential, state) {
	// A query that is partly malformed may mean something else to a proxy before us.
	all, err := url.ParseQuery(in.URL.RawQuery)
	value, ok := only(all[q.name])
	return q.grant(value, ok && err == nil && value != "", in)
}

// path takes a secret that is the last segment of the path.
type path struct{ secrets }

func (p path) check(in Request) (*Credential, state) {
	return p.grant(in.Segment, in.Segment != "", in)
}
