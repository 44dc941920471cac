package value

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// day is 24 hours: a day here knows no daylight saving time.
const day = 24 * time.Hour

// days are the leading days of a duration: time.ParseDuration knows none.
var days = regexp.MustCompile(`^([+-]?)([0-9]+(?:\.[0-9]+)?)d(.*)$`)

// ParseDuration is time.ParseDuration that knows days too, of 24 hours, as the
// largest unit: "30d", "1d12h". It ignores white space around the text.
func ParseDuration(text string) (time.Duration, error) {
	s := Trim(text)
	wrong := fmt.Errorf("%q is not a duration: use a number with a unit, such as 500ms, 30s, 10m, 12h or 30d", s)
	m := days.FindStringSubmatch(s)
	if m == nil {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, wrong
		}
		return d, nil
	}
	n, err := strconv.ParseFloat(m[2], 64)
	whole := n * float64(day)
	if err != nil || whole >= math.MaxInt64 {
		return 0, wrong
	}
	d := time.Duration(whole)
	if m[3] != "" {
		rest, err := time.ParseDuration(m[3])
		if err != nil || m[3][0] == '+' || m[3][0] == '-' || rest > math.MaxInt64-d {
			return 0, wrong
		}
		d += rest
	}
	if m[1] == "-" {
		d = -d
	}
	return d, nil
}

// FormatDuration is Duration.String without the zeros behind: 10m, not 10m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
