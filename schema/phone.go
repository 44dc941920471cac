package schema

import (
	"regexp"
	"strings"
)

var (
	e164        = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	mexicoOld   = regexp.MustCompile(`^\+521([0-9]{10})$`)
	punctuation = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "\u00a0", "")
)

// phoneNumber joins a country code and a number to E.164, such as
// "+573161234567". The bool is false if that gives no telephone number.
//
// The 1 that Mexican mobile numbers had behind +52 until 2019 is left out:
// Treble sends it with some kinds and not with others, and one person should
// have one number.
func phoneNumber(countryCode, number string) (string, bool) {
	countryCode, number = punctuation.Replace(countryCode), punctuation.Replace(number)
	if !strings.HasPrefix(number, "+") {
		countryCode = strings.TrimPrefix(strings.TrimPrefix(countryCode, "+"), "00")
		if countryCode == "" || number == "" {
			return "", false
		}
		number = "+" + countryCode + number
	}
	if !e164.MatchString(number) {
		return "", false
	}
	return mexicoOld.ReplaceAllString(number, "+52$1"), true
}

// ParsePhone returns a number in the international form, with or without the +
// and with the usual separators, as the bridge writes it into data.phone. The
// bool is false if it is none.
func ParsePhone(s string) (string, bool) {
	if s = punctuation.Replace(s); !strings.HasPrefix(s, "+") {
		s = "+" + strings.TrimPrefix(s, "00")
	}
	return phoneNumber("", s)
}
