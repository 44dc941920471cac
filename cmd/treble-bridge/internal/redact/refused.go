package redact

import (
	"encoding/json"
	"strings"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// MaskRefused hides phones in a refused body. More is hidden than in an event:
// what was refused may have a phone under any key, and what is no JSON anywhere.
func MaskRefused(body []byte) []byte {
	if !json.Valid(body) {
		return []byte(phone.HideAll(string(body)))
	}
	out, err := EditLiterals(Mask(body), func(l Literal) (string, bool) {
		if isTime(l) && timeKey(l.Key) {
			return "", false
		}
		text := phone.HideLong(l.Text)
		return text, text != l.Text
	})
	if err != nil {
		return []byte(phone.HideAll(string(body))) // not reached: it is valid
	}
	return out
}

// MaskHeader hides phones in a line such as "X-Phone: +57300…".
func MaskHeader(line string) string {
	name, value, _ := strings.Cut(line, ":")
	if phoneKey.MatchString(name) {
		return phone.HideLong(name) + ":" + phone.HideAll(value)
	}
	// A length or a port is short; what is long is a phone, or nothing to miss.
	return phone.HideLong(line)
}
