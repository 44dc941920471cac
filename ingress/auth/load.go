package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
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
	l.bearer = l.secrets(value.Authorization, c.Bearer, key+".bearer", c.BearerFile, key+".bearer_file")
	l.header = l.secrets(c.Header.Name, c.Header.Values, key+".header.values", c.Header.ValuesFile, key+".header.values_file")

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

// Credential returns a header that lets a request in, the first that is configured, or ""
// if none is. It is read as the bridge reads it, so that what is wrong with a secret
// is wrong for both.
func (c Config) Credential() (name, content string, _ error) {
	l := load(c, "auth")
	switch {
	case len(l.bearer) > 0:
		return value.Authorization, "Bearer " + l.bearer[0], nil
	case len(l.header) > 0:
		return http.CanonicalHeaderKey(c.Header.Name), l.header[0], nil
	case c.BearerFile != "" || c.Header.ValuesFile != "":
		return "", "", l.err()
	}
	return "", "", nil
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

// secrets returns the configured secrets and those of the file, in this order. The header
// is the one that carries them.
func (l *loaded) secrets(header string, values []value.Secret, key, file, fileKey string) []string {
	var all []string
	for i, v := range values {
		all = l.add(all, v, header, fmt.Sprintf("%s[%d]", key, i))
	}
	if file == "" {
		return all
	}
	lines, err := value.ReadSecrets(file)
	if err != nil {
		l.problem(fileKey, "%w", err)
		return all
	}
	for _, line := range lines {
		if strings.HasPrefix(string(line.Secret), "# ") {
			l.problem(fileKey, "line %d looks like a comment, and every line is taken for a secret: remove it", line.Number)
			continue
		}
		all = l.add(all, line.Secret, header, fmt.Sprintf("%s: line %d", fileKey, line.Number))
	}
	if len(lines) == 0 {
		l.problem(fileKey, "the file %s has no secret: write one per line", file)
	}
	return all
}

// add appends the secret if it can be sent in a header. No message repeats it.
func (l *loaded) add(all []string, given value.Secret, header, key string) []string {
	secret, doubts := value.CleanSecret(given, header)
	switch {
	case secret == "":
		l.problem(key, "the secret is empty: remove it, or set one")
		return all
	case !httpguts.ValidHeaderFieldValue(secret):
		l.problem(key, "the secret has a control character, which a header cannot carry: use printable characters")
		return all
	}
	for _, doubt := range doubts {
		l.warnings = append(l.warnings, key+": the secret "+doubt)
	}
	if len(secret) < shortest {
		l.warnings = append(l.warnings, fmt.Sprintf("%s: the secret is short: use at least %d random bytes", key, shortest))
	}
	return append(all, secret)
}
