package auth

import (
	"net/http"
	"strings"
)

// bearer takes "Authorization: Bearer <token>" (RFC 6750).
type bearer struct{ secrets secrets }

func (b bearer) Authenticate(r *http.Request) (string, bool) {
	value, ok := only(r.Header["Authorization"])
	if !ok {
		return "", false
	}
	token, ok := bearerToken(value)
	if !ok {
		return "", false
	}
	return b.secrets.find(token)
}

func (bearer) Challenge() string { return "Bearer" }

// bearerToken returns the token of an Authorization header. The scheme is
// compared without regard to case, as RFC 9110 wants it.
func bearerToken(value string) (string, bool) {
	scheme, token, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.Trim(token, " \t")
	return token, token != ""
}

// header takes a secret in a header of its own.
type header struct {
	name    string // canonical
	secrets secrets
}

func (h header) Authenticate(r *http.Request) (string, bool) {
	value, ok := only(r.Header[h.name])
	if !ok || value == "" {
		return "", false
	}
	return h.secrets.find(value)
}

func (header) Challenge() string { return "" }

// only returns the value of a header that came exactly once. Of a header that
// came twice nobody knows which one a proxy before us looked at, so neither
// counts.
func only(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
