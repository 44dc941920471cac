package delivery

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// idBits of SHA-256 make an id: 128 bits are 26 characters of base32.
const idBytes = 128 / 8

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// contentID is the id of an event that says enough to be told from others:
// equal ids mean an equal source, kind, position and body, but for white space
// that means nothing. position is -1 for a body that is no array.
func contentID(source string, kind schema.Kind, position int, value []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		compact.Write(value) // not reached: the value was found valid
	}
	h := sha256.New()
	for _, part := range []string{source, string(kind), positionText(position)} {
		h.Write([]byte(part))
		h.Write([]byte{'\n'}) // in none of the parts
	}
	h.Write(compact.Bytes())
	return base32Lower.EncodeToString(h.Sum(nil)[:idBytes])
}

func positionText(position int) string {
	if position < 0 {
		return ""
	}
	return strconv.Itoa(position)
}

// uniqueID is the id of an event whose body may honestly come twice.
func uniqueID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base32Lower.EncodeToString(b[:])
}

// hasOwnTime reports whether the top level of a body, or its session, has a
// time: a member named timestamp or …_at that reads as one.
func hasOwnTime(o object, loc *time.Location) bool {
	return topLevelTime(o, loc) || topLevelTime(parseObject(o["session"]), loc)
}

func topLevelTime(o object, loc *time.Location) bool {
	for key, v := range o {
		if (key == "timestamp" || strings.HasSuffix(key, "_at")) && v[0] == '"' {
			if _, ok := parseTime(unquote(v), loc); ok {
				return true
			}
		}
	}
	return false
}
