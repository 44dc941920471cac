package delivery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// idBytes of SHA-256 make an id; they are 26 characters of base32.
const idBytes = 16

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// contentID is the id of an event that says enough to be told from others:
// equal ids mean an equal source, kind, position and body, but for white space
// that means nothing. position is -1 for a body that is no array.
func (s *scratch) contentID(source string, kind schema.Kind, position int, value *document) string {
	head := append(s.head[:0], source...)
	head = append(append(head, '\n'), kind...) // a line feed is in none of the parts
	head = append(head, '\n')
	if position >= 0 {
		head = strconv.AppendInt(head, int64(position), 10)
	}
	s.head = append(head, '\n')
	s.hash.Reset()
	s.hash.Write(s.head)
	s.hash.Write(value.withoutSpace())
	var sum [sha256.Size]byte
	return idText(s.hash.Sum(sum[:0]))
}

func idText(b []byte) string {
	var text [26]byte
	base32Lower.Encode(text[:], b[:idBytes])
	return string(text[:])
}

// uniqueID is the id of an event whose body may honestly come twice.
func uniqueID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return idText(b[:])
}

// hasOwnTime reports whether the top level of a body, or its session, has a
// time: a member named timestamp or …_at that reads as one.
func (r *reader) hasOwnTime() bool {
	return r.hasTime || topLevelTime(r.fields, r.loc) || isTime(r.at("timestamp"), r.loc) || topLevelTime(r.fields.get("session"), r.loc)
}

func topLevelTime(o value, loc *time.Location) bool {
	last := map[string]value{} // of a key that occurs twice the last value counts
	for key, v := range o.members() {
		if key != "timestamp" && !strings.HasSuffix(key, "_at") {
			continue
		}
		if o.d.twice {
			last[key] = v
		} else if isTime(v, loc) {
			return true
		}
	}
	for _, v := range last {
		if isTime(v, loc) {
			return true
		}
	}
	return false
}

func isTime(v value, loc *time.Location) bool {
	if !v.isString() {
		return false
	}
	_, ok := parseTime(v.unquoted(), loc)
	return ok
}
