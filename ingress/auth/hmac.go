package auth

import (
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
)

// mostSignatures bounds the signatures in one header, and with it the comparisons.
const mostSignatures = 16

// hmacScheme takes a signature of the body, made with a shared key (RFC 2104).
type hmacScheme struct {
	keys            []*secret
	hash            func() hash.Hash
	size            int // of a signature, in bytes
	decode          func(string) ([]byte, error)
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

var encodings = map[string]func(string) ([]byte, error){
	"hex":       hex.DecodeString,
	"base64":    func(s string) ([]byte, error) { return base64.RawStdEncoding.Strict().DecodeString(unpadded(s)) },
	"base64url": func(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(unpadded(s)) },
}

// unpadded leaves out what fills up base64, of which senders write all or nothing.
func unpadded(s string) string { return strings.TrimRight(s, "=") }

// orDefault returns the text, or the default if it is empty.
func orDefault(text, usual string) string {
	if text == "" {
		return usual
	}
	return strings.ToLower(text)
}

func newHMAC(c HMACConfig, keys []*secret) hmacScheme {
	s := hmacScheme{
		keys:      keys,
		hash:      hashes[orDefault(c.Hash, "sha256")],
		decode:    encodings[orDefault(c.Encoding, "hex")],
		header:    http.CanonicalHeaderKey(c.Header),
		prefix:    c.Prefix,
		separator: c.Separator,
		tolerance: tolerance(c.Tolerance),
		template:  splitTemplate(c.Template),
	}
	s.size = s.hash().Size()
	if c.TimestampHeader != "" {
		s.timestampHeader = http.CanonicalHeaderKey(c.TimestampHeader)
	}
	s.timestampPrefix = c.TimestampPrefix
	return s
}

func tolerance(configured time.Duration) time.Duration {
	if configured == 0 {
		return defaultTolerance
	}
	return configured
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

// checkHMAC returns what is wrong with the configuration, by the last part of the key.
func checkHMAC(c HMACConfig, problem func(name, format string, args ...any)) {
	if _, ok := hashes[orDefault(c.Hash, "sha256")]; !ok {
		problem("hash", "%q is not known: use sha256, sha512 or sha1", c.Hash)
	}
	if _, ok := encodings[orDefault(c.Encoding, "hex")]; !ok {
		problem("encoding", "%q is not known: use hex, base64 or base64url", c.Encoding)
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
				problem("template", "has a placeholder that is not known: use %s and %s", inBody, inTimestamp)
				return
			}
		}
	}
	timed := c.TimestampHeader != "" || c.TimestampPrefix != ""
	switch {
	case bodies != 1:
		problem("template", "must have %s once, such as %s.%s", inBody, inTimestamp, inBody)
	case timed && times == 0:
		problem("template", "has no %s, so that anybody could change the time: add it, or remove timestamp_header and timestamp_prefix", inTimestamp)
	case !timed && times > 0:
		problem("template", "has %s, but nothing says where the time is: set timestamp_header or timestamp_prefix", inTimestamp)
	case c.TimestampHeader != "" && c.TimestampPrefix != "":
		problem("timestamp_prefix", "is set beside timestamp_header: the time stands in one of them")
	case c.TimestampPrefix != "" && c.Separator == "":
		problem("separator", "is missing: say what stands between the time and the signature, such as a comma")
	case c.TimestampPrefix != "" && c.TimestampPrefix == c.Prefix:
		problem("timestamp_prefix", "is the prefix of the signature too: they must differ")
	case c.TimestampPrefix != "" && c.Prefix == "":
		problem("prefix", "is missing: say what stands in front of the signature, beside timestamp_prefix")
	}
}

// signed holds the signature of a request and its timestamp, as the headers have them.
type signed struct {
	signatures [][]byte
	timestamp  string // as it was written, which is what was signed
}

// parse returns what the headers say; not ok if they are not as configured, or the time is
// too far from now.
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
		if sum, err := s.decode(rest); err == nil && len(sum) == s.size {
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

func (hmacScheme) challenge() string { return "" }

// verify computes the sum of every key, and compares it with every signature.
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
func (s hmacScheme) sign(h http.Header, key string, now time.Time, body []byte, encoding string) {
	timestamp := ""
	if s.timestampHeader != "" || s.timestampPrefix != "" {
		timestamp = strconv.FormatInt(now.Unix(), 10)
	}
	text := s.prefix + encode(s.sum(key, timestamp, body), encoding)
	if s.timestampPrefix != "" {
		text = fmt.Sprint(s.timestampPrefix, timestamp, s.separator, text)
	}
	if s.timestampHeader != "" {
		h.Set(s.timestampHeader, timestamp)
	}
	h.Set(s.header, text)
}

func encode(sum []byte, encoding string) string {
	switch orDefault(encoding, "hex") {
	case "base64":
		return base64.StdEncoding.EncodeToString(sum)
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}
