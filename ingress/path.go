package ingress

import (
	"errors"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// canonicalPath returns the one form of a path: runs of slashes are one slash, and
// slashes, blanks and what else cannot be seen at the end are gone. Treble sends once, and
// such a path is a slip of who typed the URL. Nothing else is forgiven; above all, dots
// have no meaning, so that no path leads out of where it stands.
func canonicalPath(path string) string {
	path = strings.TrimRightFunc(path, func(r rune) bool { return r == '/' || value.Invisible(r) })
	if path == "" {
		return "/"
	}
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

const pathForgivenKey = "path-forgiven"

// canonical gives the request the canonical form of its path before anything looks at it.
// It is made once: the source, and with it the authentication, the kind that a path
// names, and what is kept of a refused body go by the same form.
func canonical(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		path := canonicalPath(u.Path)
		if path != u.Path {
			c.Set(pathForgivenKey, true)
		}
		u.Path, u.RawPath = path, "" // echo would prefer RawPath, which is not decoded
		return next(c)
	}
}

// Serves reports whether a path is one of the source's.
func (s SourceConfig) Serves(path string) bool {
	path = canonicalPath(path)
	for _, configured := range s.Paths {
		if p, err := parsePattern(configured); err == nil && p.matches(path) {
			return true
		}
	}
	return false
}

const slipPath = "path"

// forgiven are the slips of a request that was taken all the same, for the metric.
func forgiven(c echo.Context, doubts []doubt) []string {
	var all []string
	if slip, _ := c.Get(pathForgivenKey).(bool); slip {
		all = append(all, slipPath)
	}
	for _, d := range doubts {
		all = append(all, string(d.reason))
	}
	return all
}

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

// fits reports whether the part of a path that echo's * stands for is the rest of
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
