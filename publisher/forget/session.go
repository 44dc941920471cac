package forget

import (
	"bytes"
	"slices"
)

// shortSession is the length from which a session id is looked for anywhere. A
// shorter one, such as "1234" or "undefined", counts only where a session stands.
const shortSession = 16

// tokenIn reports whether a session stands in a text as a whole.
func tokenIn(text []byte, session string) bool {
	if len(session) < shortSession {
		return slices.Contains(sessionsIn([][]byte{text}), session)
	}
	for rest := text; ; {
		i := bytes.Index(rest, []byte(session))
		if i < 0 {
			return false
		}
		end := i + len(session)
		if (i == 0 || !inToken(rest[i-1])) && (end == len(rest) || !inToken(rest[end])) {
			return true
		}
		rest = rest[i+1:]
	}
}

func inToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_'
}

// longestSession is the length up to which the value of such a key is taken for a session.
const longestSession = 256

// sessionKeys are the names that Treble and the bridge have for a session's id.
var sessionKeys = []string{"session_id", "session_external_id", "external_id"}

// sessionsIn returns the values of the keys that name a session, in text that need
// not be JSON as a whole.
func sessionsIn(texts [][]byte) []string {
	var found []string
	for _, text := range texts {
		for _, key := range sessionKeys {
			quoted := []byte(`"` + key + `"`)
			for rest := text; ; {
				i := bytes.Index(rest, quoted)
				if i < 0 {
					break
				}
				rest = rest[i+len(quoted):]
				value := bytes.TrimLeft(rest, " \t\r\n:")
				value, quotedValue := bytes.CutPrefix(value, []byte(`"`))
				stop := ",}] \t\r\n"
				if quotedValue {
					stop = `"\`
				}
				value = value[:min(len(value), longestSession+1)]
				if end := bytes.IndexAny(value, stop); end > 0 {
					found = append(found, string(value[:end]))
				}
			}
		}
	}
	return slices.DeleteFunc(found, func(s string) bool { return s == "null" })
}
