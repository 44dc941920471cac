package phone

import (
	"slices"
	"strings"
)

// short are the country codes of one and two digits. All others have three.
const short = "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"

var isShort = func() map[string]bool {
	codes := map[string]bool{}
	for code := range strings.FieldsSeq(short) {
		codes[code] = true
	}
	return codes
}()

// countryOf returns the country code that digits in the international form begin with.
func countryOf(digits string) string {
	for n := 1; n <= 2 && n <= len(digits); n++ {
		if isShort[digits[:n]] {
			return digits[:n]
		}
	}
	return digits[:min(3, len(digits))]
}

// isCountry reports whether digits are a country code, and not the beginning of one.
func isCountry(code string) bool { return len(code) == 3 && code[0] != '0' || isShort[code] }

// trunk has the prefixes that are dialled before a number inside its country, and are no part of
// it.
type trunk struct {
	prefixes []string // the longest first
	lengths  []int    // a number behind them has one of these; none: any
}

// usual is the trunk of a country that is not listed below. Where there is no trunk, no
// number begins with a zero.
var usual = trunk{prefixes: []string{"0"}}

// trunks are those of the other countries, by country code. The 1 that Mexican mobile
// numbers had behind +52 until 2019 is one: Treble sends it with some kinds and not with
// others, and one person should have one number.
var trunks = map[string]trunk{
	"1":   {[]string{"1"}, []int{10}},
	"7":   {[]string{"8"}, []int{10}},
	"36":  {[]string{"06"}, []int{8, 9}},
	"52":  {[]string{"044", "045", "01", "1"}, []int{10}},
	"370": {[]string{"8", "0"}, []int{8}},
	"375": {[]string{"80", "8"}, []int{9}},
	"993": {[]string{"8"}, []int{8}},
	// There the zero is part of the number.
	"39": {}, "225": {}, "226": {}, "227": {}, "229": {}, "241": {}, "242": {}, "378": {}, "379": {},
}

func trunkOf(country string) trunk {
	if t, ok := trunks[country]; ok {
		return t
	}
	return usual
}

// strip removes the trunk prefix from the digits behind a country code.
func (t trunk) strip(rest string) string {
	for _, p := range t.prefixes {
		if behind, ok := strings.CutPrefix(rest, p); ok && t.fits(behind) {
			return behind
		}
	}
	return rest
}

func (t trunk) fits(rest string) bool {
	for _, n := range t.lengths {
		if len(rest) == n {
			return true
		}
	}
	return len(t.lengths) == 0
}

// Some numbers are written in two ways behind the country code, both of which are dialled
// and reach the same person.
//
// Argentina: mobile numbers have a 9 before the area code for callers from abroad, and a
// 15 behind it at home: +54 9 11 2345 6789 is 011 15 2345 6789. No other number has the
// same digits without both, and people leave out either.
//
// Brazil: mobile numbers got a 9 behind the area code, from 2012 on; WhatsApp still names
// many without it. Without the 9 they begin with 6 to 9, which no other number does.

// severalWays are the countries of them.
var severalWays = []string{"54", "55"}

// ways returns all ways to write what stands behind a country code, without a trunk, each
// with the same digits at the end.
func ways(country, rest string) []string {
	switch country {
	case "54":
		n, _ := strings.CutPrefix(rest, "9")
		if len(n) != 10 {
			n = rest
		}
		if len(n) != 10 {
			break
		}
		all := []string{n, "9" + n}
		for _, area := range argentineAreas {
			if area.fits(n) {
				home := n[:area.length] + "15" + n[area.length:]
				all = append(all, home, "9"+home)
			}
		}
		return all
	case "55":
		switch {
		case len(rest) == 11 && rest[2] == '9' && rest[3] >= '6':
			return []string{rest, rest[:2] + rest[3:]}
		case len(rest) == 10 && rest[2] >= '6':
			return []string{rest, rest[:2] + "9" + rest[2:]}
		}
	}
	return []string{rest}
}

// argentineAreas are the area codes: 11, and those of three and four digits.
var argentineAreas = []argentineArea{{2, "1"}, {3, "23"}, {4, "23"}}

type argentineArea struct {
	length int
	begins string // with one of these
}

func (a argentineArea) fits(n string) bool {
	return strings.IndexByte(a.begins, n[0]) >= 0 && (a.length != 2 || n[1] == '1')
}

// withoutHome returns what stands behind a country code, or at home behind the trunk, in
// the international form, if it is in that of home and can be told from it.
func withoutHome(country, rest string) string {
	if country != "54" {
		return rest
	}
	n := rest
	if len(n) == 13 {
		n, _ = strings.CutPrefix(n, "9")
	}
	if len(n) != 12 {
		return rest
	}
	for _, area := range argentineAreas {
		// At most one fits: 15 cannot stand behind three and behind four digits at once.
		if area.fits(n) && n[area.length:area.length+2] == "15" {
			return "9" + n[:area.length] + n[area.length+2:]
		}
	}
	return rest
}

// plan describes the numbers of a country, without country code and trunk prefix.
type plan []struct {
	begins  string // with one of these, separated by blanks
	lengths []int
}

// plans are those of the countries in which most people are that Treble writes to.
var plans = map[string]plan{
	"1":   {{"2 3 4 5 6 7 8 9", []int{10}}},
	"34":  {{"6 7 8 9", []int{9}}},
	"51":  {{"9", []int{9}}, {"1 4 5 6 7 8", []int{8}}},
	"52":  {{"2 3 4 5 6 7 8 9", []int{10}}},
	"53":  {{"5 6", []int{8}}, {"2 3 4 7", []int{8}}},
	"54":  {{"9", []int{11}}, {"1 2 3", []int{10}}},
	"55":  {{"1 2 3 4 5 6 7 8 9", []int{10, 11}}},
	"56":  {{"2 3 4 5 6 7 8 9", []int{9}}},
	"57":  {{"3 60", []int{10}}},
	"58":  {{"2 4", []int{10}}},
	"502": {{"2 3 4 5 6 7", []int{8}}},
	"503": {{"2 6 7", []int{8}}},
	"504": {{"2 3 7 8 9", []int{8}}},
	"505": {{"2 5 7 8", []int{8}}},
	"506": {{"2 4 5 6 7 8", []int{8}}},
	"507": {{"6", []int{8}}, {"2 3 4 7 8 9", []int{7}}},
	"591": {{"2 3 4 6 7", []int{8}}},
	"593": {{"9", []int{9}}, {"2 3 4 5 6 7", []int{8}}},
	"595": {{"9", []int{9}}, {"2 3 4 5 6 7 8", []int{7, 8, 9}}},
	"598": {{"2 4 9", []int{8}}},
}

// longestNational is the length up to which digits are taken for a number without its
// country code, where the plan of the country is not known.
const longestNational = 10

// fitsPlan reports whether a number can be one of a country; unknown is the answer if its
// plan is not known.
func fitsPlan(country, rest string, unknown bool) bool {
	p, ok := plans[country]
	if !ok {
		return unknown
	}
	for _, kind := range p {
		for begin := range strings.SplitSeq(kind.begins, " ") {
			if strings.HasPrefix(rest, begin) && slices.Contains(kind.lengths, len(rest)) {
				return true
			}
		}
	}
	return false
}
