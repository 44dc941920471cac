package auth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signer puts credentials of a configuration into requests, as whoever sends
// to the source has to. The commands of the bridge use it. It is safe for
// concurrent use.
type Signer struct {
	config  Config
	secrets []*secret // one of each scheme that the policy needs
}

// Signer returns what lets requests in by the configuration, or nil if it has no secret. It is
// read as the bridge reads it, so that what is wrong with a secret is wrong for both. An address
// or a client certificate that the policy asks for is for the caller to have.
func (c Config) Signer(now time.Time) (*Signer, error) {
	if c.Disabled || len(c.schemes()) == 0 {
		return nil, nil
	}
	l := load(c, "auth")
	if err := l.err(); err != nil {
		return nil, err
	}
	usable := func(i int) *secret {
		all := l.secrets[l.configured[i]]
		if at := slices.IndexFunc(all, func(s *secret) bool { return s.valid(now) == 1 }); at >= 0 {
			return all[at]
		}
		return nil
	}
	without := func(i int) bool { return l.configured[i] == schemeIP || l.configured[i] == schemeMTLS }
	// As few as satisfy the policy, and no two of one header: leave out one after the other, the later ones first.
	chosen := make([]bool, len(l.configured))
	for i := range chosen {
		chosen[i] = without(i) || usable(i) != nil
	}
	satisfies := func(i int) bool { return chosen[i] }
	if !l.policy.with(satisfies, len(chosen)) {
		return nil, errors.New("auth: no secret is valid now that the policy asks for")
	}
	for _, secretless := range []bool{true, false} { // a secret is what we have
		for i := len(chosen) - 1; i >= 0; i-- {
			if without(i) == secretless && chosen[i] {
				chosen[i] = false
				chosen[i] = !l.policy.with(satisfies, len(chosen))
			}
		}
	}
	s := &Signer{config: c}
	for i := range chosen {
		if chosen[i] && !without(i) {
			s.secrets = append(s.secrets, usable(i))
		}
	}
	return s, nil
}

// Sign sets what lets the request in that carries the body. Of a secret that is a segment of
// the path, it stands for the * at the end of the path.
func (s *Signer) Sign(r *http.Request, body []byte, now time.Time) error {
	if s == nil {
		return nil
	}
	for _, one := range s.secrets {
		switch one.Scheme {
		case schemeBearer:
			r.Header.Set("Authorization", "Bearer "+one.text)
		case schemeHeader:
			r.Header.Set(s.config.Header.Name, one.text)
		case schemeBasic:
			r.SetBasicAuth(s.config.Basic.User, one.text)
		case schemeQuery:
			q := r.URL.Query()
			q.Set(s.config.Query.Name, one.text)
			r.URL.RawQuery = q.Encode()
		case schemePath:
			if rest, ok := strings.CutSuffix(r.URL.Path, "*"); ok {
				r.URL.Path, r.URL.RawPath = rest+one.text, ""
			}
		case schemeHMAC:
			newHMAC(s.config.HMAC, nil).sign(r.Header, one.text, now, body, s.config.HMAC.Encoding)
		case schemeStandardWebhooks:
			id := "msg_" + rand.Text()
			if err := newStandard(s.config.StandardWebhooks, []*secret{one}).sign(r.Header, 0, id, now, body); err != nil {
				return err
			}
		}
	}
	return nil
}
