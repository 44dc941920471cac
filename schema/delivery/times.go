package delivery

import (
	"strings"
	"time"
)

// The forms of a time that Treble has been seen or may be expected
// to send: with a T or a blank, with or without a zone. Go reads a fraction of
// any length, or none, behind the seconds of each.
const (
	layoutZone      = "2006-01-02T15:04:05Z07:00" // or Z
	layoutPlainZone = "2006-01-02T15:04:05Z0700"
	layoutHourZone  = "2006-01-02T15:04:05Z07"
	layoutNoZone    = "2006-01-02T15:04:05"
)

// parseTime reads a time. One without a zone is read in loc. The result is in
// UTC. The bool is false if s is not a time, or one that RFC 3339 cannot write.
func parseTime(s string, loc *time.Location) (time.Time, bool) {
	const date = len("2006-01-02")
	if len(s) <= date || len(s) > len("2006-01-02T15:04:05.123456789012 +00:00") {
		return time.Time{}, false
	}
	if s[date] == ' ' || s[date] == 't' {
		s = s[:date] + "T" + s[date+1:]
	}
	if zoneless, utc := strings.CutSuffix(s, " UTC"); utc {
		s = zoneless + "Z"
	}
	s = strings.Replace(s, " ", "", 1) // "… 15:04:05 +00:00"
	if strings.HasSuffix(s, "z") {
		s = s[:len(s)-1] + "Z"
	}
	if len(s) <= date { // " UTC" was most of it
		return time.Time{}, false
	}
	layout := layoutOf(s[date:])
	if layout == layoutNoZone && loc == time.UTC {
		s, layout = s+"Z", layoutZone // which package time reads faster
	}
	t, err := time.ParseInLocation(layout, s, loc)
	if err != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}

// layoutOf chooses by the zone, which is what the layouts differ in.
func layoutOf(clock string) string {
	zone := strings.LastIndexAny(clock, "Z+-")
	switch {
	case zone < 0:
		return layoutNoZone
	case len(clock)-zone == len("+0000"):
		return layoutPlainZone
	case len(clock)-zone == len("+00"):
		return layoutHourZone
	}
	return layoutZone
}
