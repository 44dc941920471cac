package auth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// shortest is the least length of a secret: 16 random bytes cannot be guessed, 8 can.
const shortest = 16

// read returns the secrets of a list and those of its file, in this order.
func (l *loaded) read(from secretList, key string) []*secret {
	var all []*secret
	for i, v := range from.values {
		all = l.add(all, v, from, fmt.Sprintf("%s.%s[%d]", key, from.key, i))
	}
	if from.file == "" {
		return all
	}
	fileKey := key + "." + from.fileKey
	lines, err := value.ReadSecrets(from.file)
	if err != nil {
		l.problems.Add(fileKey, "%w", err)
		return all
	}
	for _, line := range lines {
		if strings.HasPrefix(string(line.Secret), "# ") {
			l.problems.Add(fileKey, "line %d looks like a comment, and every line is taken for a secret: remove it", line.Number)
			continue
		}
		all = l.add(all, line.Secret, from, fmt.Sprintf("%s: line %d", fileKey, line.Number))
	}
	if len(lines) == 0 {
		l.problems.Add(fileKey, "the file %s has no secret: write one per line", from.file)
	}
	return all
}

// secretName is the form of a configured name.
var secretName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// named reads the secrets that have a name of their own.
func (l *loaded) named(c Config, key string) {
	taken := map[string]string{}
	for _, all := range l.secrets {
		for _, one := range all {
			taken[one.Name] = one.key
		}
	}
	lists := c.lists()
	for i, s := range c.Secrets {
		at := fmt.Sprintf("%s.secrets[%d]", key, i)
		other, twice := taken[s.Name]
		switch {
		case !secretName.MatchString(s.Name): // not repeated: it may be the secret
			l.problems.Add(at+".name", "is not a name: use 1 to 32 of a-z, 0-9, - and _, such as crm-2026")
		case s.Name == Open || slices.Contains(schemeNames[:], s.Name):
			l.problems.Add(at+".name", "%q is the name of a scheme: use another one, such as crm-2026", s.Name)
		case twice:
			l.problems.Add(at+".name", "%q is the name of %s too: names must differ", s.Name, other)
		}
		taken[s.Name] = at
		j := slices.IndexFunc(lists, func(from secretList) bool { return from.scheme == s.Scheme })
		if j < 0 {
			l.problems.Add(at+".scheme", "%q is not a scheme with secrets: use bearer, header, basic, query, path, hmac or standard_webhooks", s.Scheme)
			continue
		}
		one := l.namedSecret(s, lists[j], at)
		if one == nil {
			continue
		}
		if one.text == s.Name {
			l.problems.Add(at+".name", "is the secret itself, and names stand in metrics: use another one, such as crm-2026")
		}
		one.Name = s.Name
		one.NotBefore = l.time(s.NotBefore, at+".not_before")
		one.NotAfter = l.time(s.NotAfter, at+".not_after")
		switch now := time.Now(); {
		case !one.NotAfter.IsZero() && !one.NotBefore.Before(one.NotAfter):
			l.problems.Add(at+".not_after", "is not after not_before: the secret would never be valid")
		case !one.NotAfter.IsZero() && now.After(one.NotAfter):
			l.warn(at+".not_after", "is over: the secret lets nobody in any more: remove it")
		}
		l.secrets[s.Scheme] = append(l.secrets[s.Scheme], one)
	}
}

// namedSecret reads the one secret of an entry; nil after a problem.
func (l *loaded) namedSecret(s SecretConfig, from secretList, at string) *secret {
	var all []*secret
	switch {
	case s.Value != "" && s.File != "":
		l.problems.Add(at+".file", "is set beside value: use one of them")
	case s.File != "":
		text, _, err := value.ReadSecret(s.File, from.header)
		if err != nil {
			l.problems.Add(at+".file", "%w", err)
			break
		}
		all = l.add(nil, value.Secret(text), from, at+".file")
	default:
		all = l.add(nil, s.Value, from, at+".value")
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// time reads a time; the zero value for none.
func (l *loaded) time(text, key string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		l.problems.Add(key, "%q is not a time: use the form of RFC 3339, such as 2026-01-31T08:00:00Z", text)
	}
	return t
}

// segment matches the secrets that a path holds without escapes.
var segment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// add appends the secret if its scheme can carry it. No message repeats it.
func (l *loaded) add(all []*secret, given value.Secret, from secretList, key string) []*secret {
	text, doubts := value.CleanSecret(given, from.header)
	length := len(text)
	switch {
	case text == "":
		l.problems.Add(key, "the secret is empty: remove it, or set one")
		return all
	case !httpguts.ValidHeaderFieldValue(text):
		l.problems.Add(key, "the secret has a control character, which a header cannot carry: use printable characters")
		return all
	case value.IsPlaceholder(text):
		l.problems.Add(key, "the secret looks like a placeholder that nothing has replaced: set the real one")
		return all
	case from.scheme == schemePath && !segment.MatchString(text):
		l.problems.Add(key, "the secret has a character that would have to be escaped in a path: use letters, digits and . _ ~ -")
		return all
	case from.scheme == schemeStandardWebhooks:
		bytes, err := webhookKey(text)
		if err != nil {
			l.problems.Add(key, "%w", err)
			return all
		}
		length = len(bytes)
	}
	for _, doubt := range doubts {
		l.warn(key, "the secret "+doubt)
	}
	switch {
	case length >= shortest:
	case l.allowShort:
		l.warn(key, fmt.Sprintf("the secret is short: use at least %d random bytes", shortest))
	default:
		l.problems.Add(key, "the secret has fewer than %d bytes, so that it can be guessed: use a random one, such as of openssl rand -hex 24, or set auth.allow_short_secrets", shortest)
		return all
	}
	return append(all, &secret{Credential: Credential{Scheme: from.scheme}, text: text, key: key})
}

// duplicates warns of a secret that stands twice in a scheme: it is counted as one of them.
func (l *loaded) duplicates() {
	for _, scheme := range schemeNames {
		seen := map[string]string{}
		for _, one := range l.secrets[scheme] {
			if other, twice := seen[one.text]; twice {
				l.warn(one.key, "the secret is that of "+other+" too: remove one of them")
			}
			seen[one.text] = one.key
		}
	}
}
