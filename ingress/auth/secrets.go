package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// Credential is something that lets a request in, as metrics and logs know it:
// a secret, or a scheme that has none (ip, mtls).
type Credential struct {
	// Name is the configured name of a secret, or scheme and position in the
	// configuration, such as "bearer-1". It tells nothing of the value.
	Name   string
	Scheme string
	// NotBefore and NotAfter bound the time in which it is valid; zero: no bound.
	NotBefore, NotAfter time.Time
	// Index is its position in [Authenticator.Credentials].
	Index int
}

// valid returns 1 while the credential is valid, else 0: an int, as crypto/subtle
// wants it.
func (c *Credential) valid(now time.Time) int {
	if !c.NotBefore.IsZero() && now.Before(c.NotBefore) || !c.NotAfter.IsZero() && !now.Before(c.NotAfter) {
		return 0
	}
	return 1
}

// secret is a configured secret.
type secret struct {
	Credential
	text string
	key  string // of the configuration
}

// secrets are the active secrets of a scheme whose secret stands in the request
// itself. Their sums are kept: they have one length, so that a comparison tells
// nothing of that of the secret.
type secrets struct {
	credentials []*Credential
	sums        [][sha256.Size]byte
}

// newSecrets returns the secrets as they stand in a request, which the function makes of
// the configured text; nil leaves it as it is.
func newSecrets(all []*secret, written func(string) string) secrets {
	var s secrets
	for _, one := range all {
		text := one.text
		if written != nil {
			text = written(text)
		}
		s.credentials = append(s.credentials, &one.Credential)
		s.sums = append(s.sums, sha256.Sum256([]byte(text)))
	}
	return s
}

// find returns the credential of the given secret, or nil. It compares with
// every secret, also after a match and if nothing is given, so that its time depends on
// their number only.
func (s secrets) find(given string, present bool, now time.Time) *Credential {
	sum := sha256.Sum256([]byte(given))
	match := -1
	for i := range s.sums {
		counts := subtle.ConstantTimeCompare(sum[:], s.sums[i][:]) & s.credentials[i].valid(now)
		match = subtle.ConstantTimeSelect(counts, i, match)
	}
	if match < 0 || !present {
		return nil
	}
	return s.credentials[match]
}

// knows reports whether the text is one of the secrets, in constant time.
func (s secrets) knows(text string) bool {
	sum := sha256.Sum256([]byte(text))
	found := 0
	for i := range s.sums {
		found |= subtle.ConstantTimeCompare(sum[:], s.sums[i][:])
	}
	return found == 1
}
