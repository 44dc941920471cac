package auth

import (
	"crypto/x509"
	"slices"
	"strings"
)

// mtls takes client certificates that the listener has verified.
type mtls struct {
	MTLSConfig
	credential *Credential
}

func (s mtls) check(in Request) (*Credential, state) {
	if in.TLS == nil || len(in.TLS.VerifiedChains) == 0 || len(in.TLS.VerifiedChains[0]) == 0 {
		return nil, refused
	}
	leaf := in.TLS.VerifiedChains[0][0]
	// It was verified when the connection began, which may be long ago.
	if in.Now.After(leaf.NotAfter) || !s.names(leaf) {
		return nil, refused
	}
	return s.credential, satisfied
}

// names reports whether the certificate has one of the configured names.
func (s mtls) names(c *x509.Certificate) bool {
	if s.Any {
		return true
	}
	subject := c.Subject.String()
	for _, want := range s.Subjects {
		// A common name could be made to look like a whole subject.
		if want == subject || want == c.Subject.CommonName && !strings.Contains(want, "=") {
			return true
		}
	}
	for _, want := range s.SANs {
		switch {
		case slices.ContainsFunc(c.DNSNames, func(n string) bool { return strings.EqualFold(n, want) }),
			slices.Contains(c.EmailAddresses, want):
			return true
		}
		for _, u := range c.URIs {
			if u.String() == want {
				return true
			}
		}
		if a := ParseAddr(want); a.IsValid() {
			for _, have := range c.IPAddresses {
				if ParseAddr(have.String()) == a {
					return true
				}
			}
		}
	}
	return false
}
