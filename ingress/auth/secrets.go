package auth

import (
	"crypto/sha256"
	"crypto/subtle"
)

// secrets are the active secrets of one scheme. Their sums are kept, not their
// values: sums have one length, so that a comparison tells nothing of it, and
// a memory dump shows no secret.
type secrets struct {
	names []string
	sums  [][sha256.Size]byte
}

func newSecrets(scheme string, values []string) secrets {
	s := secrets{}
	for i, v := range values {
		s.names = append(s.names, position(scheme, i))
		s.sums = append(s.sums, sha256.Sum256([]byte(v)))
	}
	return s
}

// find returns the name of the given secret. It compares with every secret,
// also after a match, so that its time depends on their number only.
func (s secrets) find(given string) (string, bool) {
	sum := sha256.Sum256([]byte(given))
	match := -1
	for i := range s.sums {
		equal := subtle.ConstantTimeCompare(sum[:], s.sums[i][:])
		match = subtle.ConstantTimeSelect(equal, i, match)
	}
	if match < 0 {
		return "", false
	}
	return s.names[match], true
}
