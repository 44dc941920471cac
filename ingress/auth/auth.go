// Package auth decides whether a request may deliver events to a source. A
// scheme is an [Authenticator]; [New] chooses the schemes that a [Config] names.
package auth

import (
	"fmt"
	"net/http"
)

// Authenticator says whether a request carries a credential of a source. It
// looks at the request line and the headers only: it is asked before the body
// is read and must not read it. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate reports whether the request may come in, and the name of
	// the credential that let it in, such as "bearer-1". The name is that of
	// the scheme and the position in the configuration, so that it may stand
	// in metrics and logs; it never tells anything of the value.
	Authenticate(r *http.Request) (credential string, ok bool)

	// Challenge is the value of WWW-Authenticate in a 401, or "".
	Challenge() string
}

// Open is the credential name of a source without authentication.
const Open = "open"

// New returns the authenticator of the configuration. It reads the secret
// files, once: a changed file needs a restart. The error lists every problem,
// each with its key below the given one, as [Config.Validate] does.
func New(c Config, key string) (Authenticator, error) {
	loaded := load(c, key)
	if err := loaded.err(); err != nil {
		return nil, err
	}
	if c.Disabled {
		return open{}, nil
	}
	var schemes anyOf
	if len(loaded.bearer) > 0 {
		schemes = append(schemes, bearer{newSecrets("bearer", loaded.bearer)})
	}
	if len(loaded.header) > 0 {
		schemes = append(schemes, header{
			name:    http.CanonicalHeaderKey(c.Header.Name),
			secrets: newSecrets("header", loaded.header),
		})
	}
	return schemes, nil
}

// Validate returns every problem of the configuration, joined, each with its
// key below the given one: "auth.bearer[0]: …" for the key "auth". It reads
// the secret files and changes nothing.
func (c Config) Validate(key string) error { return load(c, key).err() }

// Warnings returns what works but should be better, such as a short secret,
// each with its key and without any value.
func (c Config) Warnings(key string) []string { return load(c, key).warnings }

// anyOf lets a request in if any of its schemes does.
type anyOf []Authenticator

func (a anyOf) Authenticate(r *http.Request) (string, bool) {
	for _, scheme := range a {
		if credential, ok := scheme.Authenticate(r); ok {
			return credential, true
		}
	}
	return "", false
}

func (a anyOf) Challenge() string {
	for _, scheme := range a {
		if c := scheme.Challenge(); c != "" {
			return c
		}
	}
	return ""
}

// open lets every request in.
type open struct{}

func (open) Authenticate(*http.Request) (string, bool) { return Open, true }
func (open) Challenge() string                         { return "" }

// position names the i-th credential of a scheme, counted from 1.
func position(scheme string, i int) string { return fmt.Sprintf("%s-%d", scheme, i+1) }
