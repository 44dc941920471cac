package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secret is a string that never prints: with every verb of fmt, in JSON, YAML
// and logs it is "<secret>", or "" if it is empty. It is what was written; what was
// meant is reported by [CleanSecret], which every user of a secret calls.
type Secret string

const redacted = "<secret>"

// String returns "<secret>", or "" if there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from printing the secret.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText keeps encoders from writing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Authorization is the header of a bearer token, for CleanSecret.
const Authorization = "Authorization"

var (
	curlFlag  = regexp.MustCompile(`^(?:-H|--header)[\s=]+`)
	bearerTag = regexp.MustCompile(`(?i)^bearer\s+`)
)

// CleanSecret returns a secret as it is meant, and what looks wrong about it; no doubt
// repeats the secret or a part of it. The header is the name of the one that carries
// the secret, [Authorization] for a bearer token, or "" if none does: of a whole header line,
// such as "Authorization: Bearer x", the secret is left.
func CleanSecret(s Secret, header string) (secret string, doubts []string) {
	text := Trim(Decode([]byte(s)))
	quoted := false
	take := func() {
		if inner, ok := unquote(text); ok {
			text, quoted = inner, true
		}
	}
	take()
	if rest, ok := afterHeader(text, header); ok {
		text = rest
		doubts = append(doubts, "is more than the secret: only what follows the name of the header, and Bearer, is used")
		take()
	}
	if quoted {
		doubts = append(doubts, doubtQuotes)
	}
	return text, append(doubts, secretDoubts(text, header)...)
}

// afterHeader returns what a header line carries. In a bearer token there is no blank and no
// colon, so a line is not one.
func afterHeader(text, header string) (string, bool) {
	if header == "" {
		return text, false
	}
	before := text
	if rest := curlFlag.ReplaceAllString(text, ""); rest != text {
		text = Trim(rest)
		text, _ = unquote(text)
	}
	if v, ok := jsonMember(text, header); ok {
		text = Trim(v)
	}
	if name, rest, ok := strings.Cut(text, ":"); ok && strings.EqualFold(Trim(name), header) {
		text = Trim(rest)
	}
	if header == Authorization {
		if rest := bearerTag.ReplaceAllString(text, ""); Trim(rest) != "" {
			text = Trim(rest)
		}
	}
	return text, text != before && text != ""
}

// jsonMember returns the value of a header in the form in which Treble wants them:
// {"Authorization": "Bearer x"}.
func jsonMember(text, header string) (string, bool) {
	var headers map[string]string
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &headers) != nil {
		return "", false
	}
	for name, v := range headers {
		if strings.EqualFold(name, header) {
			return v, true
		}
	}
	return "", false
}

// What a secret is taken for that is something else. None of it fits what is random, in
// base64, hex or the like.
var (
	reference = regexp.MustCompile(`^(?:op://|vault:|ref\+|arn:aws:|sm://|awssm:|gcpsm:|azkv:|secret://|projects/[^/]+/secrets/|ENC\[|!vault|\$ANSIBLE_VAULT|@Microsoft\.KeyVault)`)
	pathLike  = regexp.MustCompile(`^(?:file:|~/|\.{1,2}/|/(?:run|var|etc|mnt|opt|srv|home|root|usr|tmp|data|app|apps|secrets?|config|vault|keys?|credentials?)/|[A-Za-z]:\\)`)
	setting   = regexp.MustCompile(`^(?:export\s+)?[A-Za-z_]\w*=[^=]`)
	several   = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{6,}(?:\s*[,;]\s*[A-Za-z0-9+/=_.-]{6,})+$`)
	ending    = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]+[,;]$`)
	lineEnd   = regexp.MustCompile(`\\[nrt]$`)
)

func secretDoubts(s, header string) (doubts []string) {
	doubt := func(is bool, text string) {
		if is {
			doubts = append(doubts, text)
		}
	}
	doubt(IsPlaceholder(s), doubtPlaceholder)
	doubt(reference.MatchString(s), "looks like the name of a secret in a store, and not like the secret")
	doubt(pathLike.MatchString(s), "looks like the path of a file: the key that ends in _file reads one")
	doubt(setting.MatchString(s), "looks like NAME=value: only the value belongs here")
	doubt(strings.HasPrefix(s, "{") && json.Valid([]byte(s)), "looks like JSON: only the secret belongs here")
	doubt(several.MatchString(s), "looks like several: each stands on a line, or in an entry, of its own")
	doubt(ending.MatchString(s), "ends in a comma or semicolon, which counts as a part of it")
	doubt(lineEnd.MatchString(s), "ends in a backslash and a letter, which is no line end here and counts as a part of it")
	doubt(strings.HasPrefix(s, "-----BEGIN"), "looks like a key or a certificate")
	doubt(!utf8.ValidString(s), "is not UTF-8")
	doubt(strings.ContainsFunc(s, func(r rune) bool { return Invisible(r) && !unicode.IsSpace(r) }), "has a character in it that cannot be seen")
	if header != "" {
		doubt(strings.ContainsFunc(s, unicode.IsSpace), "has white space in it, which secrets for a header rarely have")
		doubt(utf8.ValidString(s) && strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }),
			"has characters beyond ASCII, which a header carries in no certain way")
	}
	return doubts
}

// Line is a line of a file with secrets.
type Line struct {
	Number int // from 1
	Secret Secret
}

// ReadSecrets returns the lines of a file that are not empty.
func ReadSecrets(path string) ([]Line, error) {
	text, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []Line
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for i, line := range strings.Split(text, "\n") {
		if line = Trim(line); line != "" {
			lines = append(lines, Line{i + 1, Secret(line)})
		}
	}
	return lines, nil
}

// ErrSecretFile is the error of ReadSecret for a file that has no secret or several.
var ErrSecretFile = errors.New("want one line with the secret")

// ReadSecret returns the one secret of a file, see [CleanSecret].
func ReadSecret(path, header string) (secret string, doubts []string, err error) {
	lines, err := ReadSecrets(path)
	if err != nil {
		return "", nil, err
	}
	if len(lines) != 1 {
		return "", nil, fmt.Errorf("%w in %s", ErrSecretFile, path)
	}
	secret, doubts = CleanSecret(lines[0].Secret, header)
	return secret, doubts, nil
}
