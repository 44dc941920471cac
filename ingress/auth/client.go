package auth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signer puts the credentials of a configuration into requests, for the commands of the
// bridge that post to a source. It is safe for concurrent use.
type Signer struct {
	config  Config
	secrets []*secret // one of each scheme that the policy needs
}

// Signer returns a signer with as few secrets as let requests in, or nil if the configuration has no
// secret. It reads secrets as the bridge does, so that both refuse the same ones. If the policy asks for an
// address or a client certificate, the caller must have it.
func (c Config) Signer(now time.Time) (*Signer, error) {
	if c.Disabled || len(c.schemes()) == 0 {
		return nil, nil
	}
	l := load(c, "auth")
	if err := l.problems.Err(); err != nil {
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
	for _, secretless := range []bool{true, false} { // secrets last: the caller may lack the others
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

// Sign adds the credentials to a request with the body. A secret of the path replaces the * at the
// end of the path.
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
			newHMAC(s.config.HMAC, nil).sign(r.Header, one.text, now, body)
		case schemeStandardWebhooks:
			id := "msg_" + rand.Text()
			if err := newStandard(s.config.StandardWebhooks, []*secret{one}).sign(r.Header, id, now, body); err != nil {
				return err
			}
		}
	}
	return nil
}
