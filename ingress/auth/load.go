package auth

import (
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// shortest is the length below which a secret is warned about: 16 random bytes
// cannot be guessed, 8 can.
const shortest = 16

// loaded is a configuration with its files read.
type loaded struct {
	bearer, header []string
	warnings       []string
	problems       []error
}

func (l *loaded) err() error { return errors.Join(l.problems...) }

func (l *loaded) problem(key, format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
}

func load(c Config, key string) *loaded {
	l := new(loaded)
	l.bearer = l.secrets(c.Bearer, key+".bearer", c.BearerFile, key+".bearer_file")
	l.header = l.secrets(c.Header.Values, key+".header.values", c.Header.ValuesFile, key+".header.values_file")

	given := len(c.Bearer) > 0 || c.BearerFile != "" || len(c.Header.Values) > 0 || c.Header.ValuesFile != ""
	switch {
	case c.Disabled && given:
		l.problem(key+".disabled", "true, but secrets are configured: remove one or the other")
	case !c.Disabled && !given:
		l.problem(key+".bearer", "no secret is configured: set %s, %s.header.values, or %s.disabled: true", orVariable(key), key, key)
	}
	l.headerName(c.Header, key+".header.name")
	return l
}

// orVariable names the bearer key, as the environment variable where it has one.
func orVariable(key string) string {
	if strings.Contains(key, "[") {
		return "it"
	}
	return "TREBLE_BRIDGE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "_BEARER"
}

func (l *loaded) headerName(h HeaderConfig, key string) {
	given := len(h.Values) > 0 || h.ValuesFile != ""
	switch {
	case h.Name == "" && given:
		l.problem(key, "is missing: name the header that carries the secret, such as X-Api-Key")
	case h.Name != "" && !given:
		l.problem(key, "is set, but there is no value: set values or values_file beside it")
	case h.Name != "" && !httpguts.ValidHeaderFieldName(h.Name):
		// Not repeated: it may be the whole line, "X-Api-Key: secret".
		l.problem(key, "is not a header name: use letters, digits and -, such as X-Api-Key")
	case textproto.CanonicalMIMEHeaderKey(h.Name) == "Authorization":
		l.problem(key, "is Authorization: use bearer for it, or another header")
	}
}

// secrets returns the configured secrets and those of the file, in this order.
func (l *loaded) secrets(values []value.Secret, key, file, fileKey string) []string {
	var all []string
	for i, v := range values {
		all = l.add(all, string(v), fmt.Sprintf("%s[%d]", key, i))
	}
	if file == "" {
		return all
	}
	content, err := os.ReadFile(file)
	if err != nil {
		l.problem(fileKey, "%w", err)
		return all
	}
	found := false
	for i, line := range strings.Split(string(content), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			found = true
			if strings.HasPrefix(line, "# ") {
				l.problem(fileKey, "line %d looks like a comment, and every line is taken for a secret: remove it", i+1)
				continue
			}
			all = l.add(all, line, fmt.Sprintf("%s: line %d", fileKey, i+1))
		}
	}
	if !found {
		l.problem(fileKey, "the file %s has no secret: write one per line", file)
	}
	return all
}

// add appends the secret if it can be sent in a header. No message repeats it.
func (l *loaded) add(all []string, secret, key string) []string {
	switch {
	case secret == "":
		l.problem(key, "the secret is empty: remove it, or set one")
		return all
	case strings.TrimSpace(secret) != secret:
		l.problem(key, "the secret begins or ends with white space, which a header does not keep: remove it")
		return all
	case !httpguts.ValidHeaderFieldValue(secret):
		l.problem(key, "the secret has a control character, which a header cannot carry: use printable characters")
		return all
	case len(secret) < shortest:
		l.warnings = append(l.warnings, fmt.Sprintf("%s: the secret is short: use at least %d random bytes", key, shortest))
	}
	return append(all, secret)
}
