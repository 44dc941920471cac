package ingress

import (
	"errors"
	"regexp"
	"strings"
)

// pattern is a path of a source: exact, or with a * at the end that stands for
// the rest, at least one character, of the last segment.
//
// A slash at the end makes no difference here; of a request's path only the canonical form
// is compared, see canonicalPath.
type pattern struct {
	prefix string // without the *, and without a slash at the end
	open   bool   // it ended in *
}

// What a path may hold keeps out the characters that have a meaning to the
// router (: and *) and those that a URL would have to escape.
var patternRE = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*\*?$`)

func parsePattern(path string) (pattern, error) {
	switch {
	case !strings.HasPrefix(path, "/"):
		return pattern{}, errors.New("does not begin with /: write the path of the URL, such as /webhook")
	case !patternRE.MatchString(path):
		return pattern{}, errors.New("may hold letters, digits and . _ ~ - between slashes, and one * at the end")
	case strings.Contains(path, "//"):
		return pattern{}, errors.New("has two slashes in a row: use one")
	}
	if prefix, ok := strings.CutSuffix(path, "*"); ok {
		return pattern{prefix: prefix, open: true}, nil
	}
	return pattern{prefix: strings.TrimSuffix(path, "/")}, nil
}

// String returns the pattern as it is configured, without a slash at the end. It is
// the route in the words of echo's router, too.
func (p pattern) String() string {
	switch {
	case p.open:
		return p.prefix + "*"
	case p.prefix == "":
		return "/"
	}
	return p.prefix
}

// fits says whether the part of a path that echo's * stands for is the rest of
// one segment: echo's covers any number of them.
func (p pattern) fits(rest string) bool {
	return !p.open || rest != "" && !strings.Contains(rest, "/")
}

// matches reports whether a canonical path is one of the pattern.
func (p pattern) matches(path string) bool {
	if !p.open {
		return path == p.String()
	}
	rest, ok := strings.CutPrefix(path, p.prefix)
	return ok && p.fits(rest)
}
