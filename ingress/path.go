package ingress

import (
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
