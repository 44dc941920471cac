package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// policy says how the schemes of a source combine: an expression of the names of
// schemes, "and", "or" and parentheses. Its zero value is satisfied by any scheme.
type policy struct {
	root *term
}

// term is a scheme, or terms that are joined.
type term struct {
	scheme int // position in Authenticator.schemes
	join   string
	of     []*term
}

const (
	joinAnd = "and"
	joinOr  = "or"
)

// judge returns how far the policy is satisfied by what is known of each scheme.
func (p policy) judge(states *[len(schemeNames)]state) state {
	if p.root == nil {
		return slices.Max(states[:])
	}
	return p.root.judge(states)
}

func (t *term) judge(states *[len(schemeNames)]state) state {
	if t.join == "" {
		return states[t.scheme]
	}
	got := t.of[0].judge(states)
	for _, other := range t.of[1:] {
		if next := other.judge(states); t.join == joinAnd {
			got = min(got, next)
		} else {
			got = max(got, next)
		}
	}
	return got
}

// deepestPolicy bounds the nesting of parentheses.
const deepestPolicy = 8

// parsePolicy reads an expression such as "ip and (bearer or hmac)", of
// schemes that are configured. Every one of them must stand in it: a secret that
// the policy does not ask for would be an unnoticed mistake. "and" and "or" do
// not stand side by side without parentheses.
func parsePolicy(text string, configured []string) (policy, error) {
	if strings.TrimSpace(text) == "" {
		return policy{}, nil
	}
	spaced := strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	p := &policyParser{words: strings.Fields(spaced), configured: configured, used: map[string]bool{}}
	root, err := p.terms(0)
	switch {
	case err != nil:
		return policy{}, err
	case len(p.words) > 0:
		return policy{}, errors.New("has a ) too many")
	}
	for _, name := range configured {
		if !p.used[name] {
			return policy{}, fmt.Errorf("does not ask for %s, which is configured: add it, or remove its keys", name)
		}
	}
	return policy{root}, nil
}

type policyParser struct {
	words      []string
	configured []string
	used       map[string]bool
}

// next returns the next word and takes it; "" at the end.
func (p *policyParser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// terms reads terms up to the end or a closing parenthesis.
func (p *policyParser) terms(depth int) (*term, error) {
	first, err := p.term(depth)
	if err != nil {
		return nil, err
	}
	t := &term{of: []*term{first}}
	for len(p.words) > 0 && p.words[0] != ")" {
		join := strings.ToLower(p.next())
		switch {
		case join != joinAnd && join != joinOr:
			return nil, errors.New("want and, or or ) behind a scheme")
		case t.join != "" && t.join != join:
			return nil, errors.New("has and beside or: put parentheses around what belongs together, such as ip and (bearer or hmac)")
		}
		t.join = join
		other, err := p.term(depth)
		if err != nil {
			return nil, err
		}
		t.of = append(t.of, other)
	}
	if t.join == "" {
		return first, nil
	}
	return t, nil
}

func (p *policyParser) term(depth int) (*term, error) {
	word := p.next()
	name := strings.ToLower(word)
	switch {
	case word == "(" && depth == deepestPolicy:
		return nil, fmt.Errorf("is nested deeper than %d", deepestPolicy)
	case word == "(":
		t, err := p.terms(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.next() != ")" {
			return nil, errors.New("has a ( too many")
		}
		return t, nil
	case !slices.Contains(schemeNames[:], name):
		return nil, fmt.Errorf("want a scheme: one of %s", strings.Join(schemeNames[:], ", "))
	}
	i := slices.Index(p.configured, name)
	if i < 0 {
		return nil, fmt.Errorf("asks for %s, which is not configured", name)
	}
	p.used[name] = true
	return &term{scheme: i}, nil
}

// with returns what the policy makes of requests that satisfy just these schemes.
func (p policy) with(satisfies func(scheme int) bool, schemes int) bool {
	var states [len(schemeNames)]state
	for i := range schemes {
		if satisfies(i) {
			states[i] = satisfied
		}
	}
	return p.judge(&states) == satisfied
}

// needs reports whether no request is let in without the scheme.
func (p policy) needs(scheme, schemes int) bool {
	return scheme >= 0 && !p.with(func(i int) bool { return i != scheme }, schemes)
}
