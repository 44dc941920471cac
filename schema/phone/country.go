package phone

import "strings"

// short are the country codes of one and two digits. All others have three.
const short = " 1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "

// countryOf returns the country code that digits in the international form begin with.
func countryOf(digits string) string {
	for n := 1; n <= 2 && n <= len(digits); n++ {
		if strings.Contains(short, " "+digits[:n]+" ") {
			return digits[:n]
		}
	}
	return digits[:min(3, len(digits))]
}

// trunk is what people dial in a country before a number, and what is no part of it.
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

// cut takes the trunk off what stands behind a country code.
func (t trunk) cut(rest string) string {
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
