package phone

import (
	"bytes"
	"strings"
)

// The number of digits that E.164 allows, with the country code.
const (
	fewest = 7
	most   = 15
)

// Join joins a country code and a number to E.164, such as "+573161234567". A number in
// the international form (with + or 00) needs no country code. The bool is false if that
// gives no telephone number.
func Join(countryCode, number string) (string, bool) {
	digits, international, ok := spelled(number)
	if !ok || digits == "" {
		return "", false
	}
	if international {
		return e164(digits)
	}
	code, _, ok := spelled(countryCode)
	if code = strings.TrimLeft(code, "0"); !ok || code == "" {
		return "", false
	}
	return e164(code + digits)
}

// Parse returns a number in the international form, with or without the +. The bool is
// false if it is none.
func Parse(s string) (string, bool) {
	digits, _, ok := spelled(s)
	if !ok {
		return "", false
	}
	for _, p := range abroad {
		digits = strings.TrimPrefix(digits, p)
	}
	return e164(digits)
}

// abroad are prefixes that are dialled before a country code, which never begins with a
// zero.
var abroad = []string{"00", "011"}

// e164 returns the number of which these are the digits in the international form.
func e164(digits string) (string, bool) {
	country := countryOf(digits)
	t := trunkOf(country)
	rest := t.cut(digits[len(country):])
	if len(t.prefixes) > 0 && strings.HasPrefix(rest, "0") {
		return "", false
	}
	digits = country + rest
	if len(digits) < fewest || len(digits) > most || digits[0] == '0' {
		return "", false
	}
	return "+" + digits, true
}

// spelled returns the digits of a text that is a number and nothing else, without the 00
// that it may begin with, and whether it says that the country code is among them.
func spelled(s string) (digits string, international, ok bool) {
	text := deepest([]byte(s))
	text, international = cutLink(text)
	var b strings.Builder
	for len(text) > 0 {
		c, value, n := letterAt(text)
		switch c {
		case other:
			return "", false, false
		case isDigit:
			b.WriteByte(value)
		case isPlus:
			international = international || b.Len() == 0
		}
		text = text[n:]
	}
	digits, zeros := strings.CutPrefix(b.String(), "00")
	return digits, international || zeros, true
}

// links are what a number follows in a link, in lower case, and whether the number is in
// the international form there.
var links = []struct {
	before        string
	international bool
}{
	{"phone=", true}, {"wa.me", true}, {"whatsapp:", true}, {"tel:", false}, {"sms:", false}, {"callto:", false},
}

// cutLink returns the number of a link, or a text that is none as it is.
func cutLink(text []byte) (number []byte, international bool) {
	lower := bytes.ToLower(text)
	for _, l := range links {
		// The length of a letter may change with its case.
		if i := bytes.Index(lower, []byte(l.before)); i >= 0 && len(lower) == len(text) {
			number = text[i+len(l.before):]
			if end := bytes.IndexAny(number, ";?&#"); end >= 0 {
				number = number[:end]
			}
			return number, l.international
		}
	}
	return text, false
}

// isLinked reports whether a text ends where the number of a link begins.
func isLinked(before []byte) bool {
	const longest = 16 // of links, and of what may stand behind them
	before = bytes.ToLower(before[max(0, len(before)-longest):])
	before = bytes.TrimRight(before, "/+ ")
	for _, l := range links {
		if bytes.HasSuffix(before, []byte(l.before)) {
			return true
		}
	}
	return false
}
