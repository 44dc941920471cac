package value

import (
	"regexp"
	"slices"
	"strings"
)

// A placeholder stands in a template, a manual or a form where a secret is to be put. It
// either has a form of its own, or is made of nothing but words that ask for a secret. What is
// random is neither: it would have to be put together from these words by chance.

// placeholder matches what templates and shells replace: ${NAME}, $NAME, $(NAME), {{ name }},
// <name>, %NAME%, #{name}#, @NAME@.
var placeholder = regexp.MustCompile(`\$\{[^{}]*\}|^\$[A-Za-z_]\w*$|^\$\([^()]*\)$|\{\{.*\}\}|^<[^<>]*>$|^%[A-Za-z_]\w*%$|^#\{[^{}]*\}#?$|^@[A-Za-z_]\w*@$`)

// filler matches what only holds a place, with a prefix or without: xxxx-xxxx, sk_xxxxxxxx, ….
var filler = regexp.MustCompile(`^(?:[A-Za-z]{1,8}[-_])?[xX*.•…_-]+$`)

var (
	// askWords say that a secret is meant; one of them must be there.
	askWords = strings.Fields(`change changed changeit changeme replace replaced insert enter put paste add fill provide
		token tokens secret secrets password passwords passwd passphrase key keys apikey credential credentials
		placeholder example sample todo tbd fixme dummy fake none null nil undefined true false redacted hidden
		bearer authorization s3cr3t test demo temp tmp foo foobar secretkey supersecret`)
	// besideWords stand beside them.
	besideWords = strings.Fields(`a an another any other some the this that it me my mine our own your yours
		here now in with by for from of to be is must please set type very long short random strong secure real actual new old
		value string text auth api nats treble bridge webhook hook access client service server user header super top
		default generated generate production prod staging dev local first second`)
	joiners = strings.NewReplacer("-", "", "_", "", " ", "", ".", "", "<", "", ">", "", "[", "", "]", "", "(", "", ")", "",
		"{", "", "}", "", ":", "", "*", "", "!", "", "…", "")
	numbered = regexp.MustCompile(`[0-9]{0,4}$`)
)

// IsPlaceholder reports whether a secret is one that nothing has replaced: ${TOKEN}, <token>, changeme.
func IsPlaceholder(s string) bool {
	switch {
	case s == "":
		return false
	case placeholder.MatchString(s), filler.MatchString(s), repeated(s), strings.Contains("012345678901234567890", s):
		return true
	}
	word := strings.ToLower(joiners.Replace(s))
	return madeOfWords(word) || madeOfWords(numbered.ReplaceAllString(word, ""))
}

// repeated reports whether a text is one character again and again.
func repeated(s string) bool {
	return len(s) >= 4 && strings.Trim(s, s[:1]) == ""
}

// madeOfWords reports whether a text is nothing but the words, one of askWords among them.
func madeOfWords(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	const reached, asked = 1, 2
	at := make([]int, len(s)+1) // what is known of each place that words lead to
	at[0] = reached
	for i := range s {
		for _, ask := range []bool{false, true} {
			words := besideWords
			if ask {
				words = askWords
			}
			if at[i] == 0 {
				continue
			}
			for _, w := range words {
				if strings.HasPrefix(s[i:], w) {
					to := &at[i+len(w)]
					if *to = max(*to, at[i]); ask {
						*to = asked
					}
				}
			}
		}
	}
	return slices.Max(at[len(s):]) == asked
}
