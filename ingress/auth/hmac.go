package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" // some senders offer no other; what breaks SHA-1 does not break an HMAC of it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// mostSignatures bounds the signatures in one header, and with it the comparisons.
const mostSignatures = 16

// hmacScheme lets in a body that is signed with a shared key (RFC 2104).
type hmacScheme struct {
	keys            []*secret
	hash            func() hash.Hash
	size            int // of a signature, in bytes
	encoding        encoding
	header          string // canonical
	prefix          string
	separator       string
	timestampHeader string // canonical, or ""
	timestampPrefix string
	tolerance       time.Duration
	template        []string // texts, and the placeholders between them
}

// The placeholders of a template.
const (
	inBody      = "{body}"
	inTimestamp = "{timestamp}"
)

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// encoding is a notation of a signature.
type encoding struct {
	encode func([]byte) string
	decode func(string) ([]byte, error)
}

var encodings = map[string]encoding{
	"hex":       {hex.EncodeToString, hex.DecodeString},
	"base64":    {base64.StdEncoding.EncodeToString, func(s string) ([]byte, error) { return base64.RawStdEncoding.Strict().DecodeString(unpadded(s)) }},
	"base64url": {base64.RawURLEncoding.EncodeToString, func(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(unpadded(s)) }},
}

// unpadded removes the padding of base64, which some senders write and others leave out.
func unpadded(s string) string { return strings.TrimRight(s, "=") }

func (c HMACConfig) hash() string     { return cmp.Or(strings.ToLower(c.Hash), "sha256") }
func (c HMACConfig) encoding() string { return cmp.Or(strings.ToLower(c.Encoding), "hex") }

func newHMAC(c HMACConfig, keys []*secret) hmacScheme {
	s := hmacScheme{
		keys:      keys,
		hash:      hashes[c.hash()],
		encoding:  encodings[c.encoding()],
		header:    http.CanonicalHeaderKey(c.Header),
		prefix:    c.Prefix,
		separator: c.Separator,
		tolerance: cmp.Or(c.Tolerance, defaultTolerance),
		template:  splitTemplate(c.Template),

		timestampHeader: http.CanonicalHeaderKey(c.TimestampHeader),
		timestampPrefix: c.TimestampPrefix,
	}
	s.size = s.hash().Size()
	return s
}

// splitTemplate takes a template apart at its placeholders, which are kept.
func splitTemplate(template string) []string {
	if template == "" {
		return []string{inBody}
	}
	var parts []string
	for template != "" {
		end := len(template)
		for _, p := range []string{inBody, inTimestamp} {
			switch i := strings.Index(template, p); {
			case i == 0:
				end = len(p)
			case i > 0:
				end = min(end, i)
			}
		}
		parts = append(parts, template[:end])
		template = template[end:]
	}
	return parts
}

// checkHMAC adds the problems of the configuration below key, such as "auth.hmac".
func checkHMAC(c HMACConfig, p *value.Problems, key string) {
	if _, ok := hashes[c.hash()]; !ok {
		p.Add(key+".hash", "%q is not known: use sha256, sha512 or sha1", c.Hash)
	}
	if _, ok := encodings[c.encoding()]; !ok {
		p.Add(key+".encoding", "%q is not known: use hex, base64 or base64url", c.Encoding)
	}
	bodies, times := 0, 0
	for _, part := range splitTemplate(c.Template) {
		switch part {
		case inBody:
			bodies++
		case inTimestamp:
			times++
		default:
			if strings.ContainsAny(part, "{}") {
				p.Add(key+".template", "has a placeholder that is not known: use %s and %s", inBody, inTimestamp)
				return
			}
		}
	}
	timed := c.TimestampHeader != "" || c.TimestampPrefix != ""
	switch {
	case bodies != 1:
		p.Add(key+".template", "must have %s once, such as %s.%s", inBody, inTimestamp, inBody)
	case timed && times == 0:
		p.Add(key+".template", "has no %s, so that anybody could change the time: add it, or remove timestamp_header and timestamp_prefix", inTimestamp)
	case !timed && times > 0:
		p.Add(key+".template", "has %s, but nothing says where the time is: set timestamp_header or timestamp_prefix", inTimestamp)
	case c.TimestampHeader != "" && c.TimestampPrefix != "":
		p.Add(key+".timestamp_prefix", "is set beside timestamp_header: the time stands in one of them")
	case c.TimestampPrefix != "" && c.Separator == "":
		p.Add(key+".separator", "is missing: say what stands between the time and the signature, such as a comma")
	case c.TimestampPrefix != "" && c.TimestampPrefix == c.Prefix:
		p.Add(key+".timestamp_prefix", "is the prefix of the signature too: they must differ")
	case c.TimestampPrefix != "" && c.Prefix == "":
		p.Add(key+".prefix", "is missing: say what stands in front of the signature, beside timestamp_prefix")
	}
}

// signed holds the signature of a request and its timestamp, as the headers have them.
type signed struct {
	signatures [][]byte
	timestamp  string // as it was written, which is what was signed
}

// parse reads signature and timestamp. The bool is false if the headers are not as configured, or the time
// is too far from now.
func (s hmacScheme) parse(in Request) (got signed, ok bool) {
	value, once := only(in.Header[s.header])
	if !once {
		return got, false
	}
	parts := []string{value}
	if s.separator != "" {
		if parts = strings.SplitN(value, s.separator, 2*mostSignatures); len(parts) == 2*mostSignatures {
			return got, false
		}
	}
	times := 0
	for _, part := range parts {
		part = strings.Trim(part, " \t")
		if s.timestampPrefix != "" {
			if rest, is := strings.CutPrefix(part, s.timestampPrefix); is {
				got.timestamp = rest
				times++
				continue
			}
		}
		rest, is := strings.CutPrefix(part, s.prefix)
		if !is {
			continue
		}
		if sum, err := s.encoding.decode(rest); err == nil && len(sum) == s.size {
			got.signatures = append(got.signatures, sum)
		}
	}
	if s.timestampHeader != "" {
		if got.timestamp, once = only(in.Header[s.timestampHeader]); once {
			times++
		}
	}
	if len(got.signatures) == 0 || len(got.signatures) > mostSignatures {
		return signed{}, false
	}
	if s.timestampHeader == "" && s.timestampPrefix == "" {
		return got, true
	}
	return got, times == 1 && fresh(got.timestamp, in.Now, s.tolerance)
}

// fresh reports whether a time in seconds since 1970 is near enough to now.
func fresh(text string, now time.Time, tolerance time.Duration) bool {
	const longest = 11 // digits: up to the year 5138
	if text == "" || len(text) > longest || text[0] == '0' || strings.Trim(text, "0123456789") != "" {
		return false
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false
	}
	return now.Sub(time.Unix(seconds, 0)).Abs() <= tolerance
}

func (s hmacScheme) check(in Request) (*Credential, state) {
	if _, ok := s.parse(in); !ok {
		return nil, refused
	}
	return nil, pending
}

// verify computes the sum with every key, and compares it with every signature.
func (s hmacScheme) verify(in Request, body []byte) *Credential {
	got, ok := s.parse(in)
	if !ok {
		return nil
	}
	var match *Credential
	for _, key := range s.keys {
		sum := s.sum(key.text, got.timestamp, body)
		equal := false
		for _, signature := range got.signatures {
			equal = hmac.Equal(sum, signature) || equal
		}
		if equal && key.valid(in.Now) == 1 {
			match = &key.Credential
		}
	}
	return match
}

// sum is the signature of a body.
func (s hmacScheme) sum(key, timestamp string, body []byte) []byte {
	mac := hmac.New(s.hash, []byte(key))
	for _, part := range s.template {
		switch part {
		case inBody:
			mac.Write(body)
		case inTimestamp:
			mac.Write([]byte(timestamp))
		default:
			mac.Write([]byte(part))
		}
	}
	return mac.Sum(nil)
}

// sign sets the headers of a request that carries the body.
func (s hmacScheme) sign(h http.Header, key string, now time.Time, body []byte) {
	timestamp := ""
	if s.timestampHeader != "" || s.timestampPrefix != "" {
		timestamp = strconv.FormatInt(now.Unix(), 10)
	}
	text := s.prefix + s.encoding.encode(s.sum(key, timestamp, body))
	if s.timestampPrefix != "" {
		text = fmt.Sprint(s.timestampPrefix, timestamp, s.separator, text)
	}
	if s.timestampHeader != "" {
		h.Set(s.timestampHeader, timestamp)
	}
	h.Set(s.header, text)
}
