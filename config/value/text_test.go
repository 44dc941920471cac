package value_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// utf16Text writes a text as Windows does, with a byte order mark or without.
func utf16Text(s string, order binary.AppendByteOrder, mark bool) string {
	if mark {
		s = "\ufeff" + s
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

const secret = "A3-secret/of+this_test="

// TestCleanSecret has a row for each way in which a secret comes.
func TestCleanSecret(t *testing.T) {
	const bearer = value.Authorization
	for _, c := range []struct {
		name, header, text string
		want               string // "": the secret
		doubts             string // parts of the doubts, joined by |; "": none
	}{
		{name: "plain", text: secret},
		{name: "line-feed", text: secret + "\n"},
		{name: "windows-line", text: secret + "\r\n"},
		{name: "blanks", text: " \t" + secret + "  "},
		{name: "no-break-space", text: "\u00a0" + secret + "\u202f"},
		{name: "byte-order-mark", text: "\ufeff" + secret},
		{name: "byte-order-mark-after-blank", text: " \ufeff" + secret},
		{name: "zero-width", text: "\u200b" + secret + "\u200d"},
		{name: "direction-marks", text: "\u202a" + secret + "\u202c"},
		{name: "nul", text: secret + "\x00"},
		{name: "utf-16-le", text: utf16Text(secret+"\r\n", binary.LittleEndian, true)},
		{name: "utf-16-be", text: utf16Text(secret, binary.BigEndian, true)},
		{name: "utf-16-without-mark", text: utf16Text(secret, binary.LittleEndian, false)},
		{name: "utf-16-be-without-mark", text: utf16Text(secret, binary.BigEndian, false)},
		{name: "double-quotes", text: `"` + secret + `"`, doubts: "in quotes"},
		{name: "single-quotes", text: "'" + secret + "'\n", doubts: "in quotes"},
		{name: "typographic-quotes", text: "“" + secret + "”", doubts: "in quotes"},
		{name: "blanks-in-quotes", text: `" ` + secret + ` "`, doubts: "in quotes"},
		{name: "quotes-that-belong-to-it", text: `""` + secret + `""`, want: `"` + secret + `"`, doubts: "in quotes"},
		{name: "one-quote", text: `"` + secret, want: `"` + secret},
		{name: "header-line", header: bearer, text: "Authorization: Bearer " + secret, doubts: "more than the secret"},
		{name: "header-line-case", header: bearer, text: "authorization :bearer  " + secret + "\n", doubts: "more than the secret"},
		{name: "header-line-in-quotes", header: bearer, text: `"Authorization: Bearer ` + secret + `"`, doubts: "more than the secret|in quotes"},
		{name: "scheme", header: bearer, text: "Bearer " + secret, doubts: "more than the secret"},
		{name: "scheme-tab", header: bearer, text: "BEARER\t" + secret, doubts: "more than the secret"},
		{name: "curl", header: bearer, text: "-H 'Authorization: Bearer " + secret + "'", doubts: "more than the secret"},
		{name: "as-treble-wants-it", header: bearer, text: `{"Authorization": "Bearer ` + secret + `"}`, doubts: "more than the secret"},
		{name: "own-header-line", header: "X-Api-Key", text: "x-api-key: " + secret, doubts: "more than the secret"},
		{name: "own-header-line-with-quotes", header: "X-Api-Key", text: `X-Api-Key: "` + secret + `"`, doubts: "more than the secret|in quotes"},
		{name: "scheme-in-own-header", header: "X-Api-Key", text: "Bearer " + secret, want: "Bearer " + secret, doubts: "white space"},
		{name: "other-header-line", header: "X-Api-Key", text: "X-Other: " + secret, want: "X-Other: " + secret, doubts: "white space"},
		{name: "password-like-a-header", text: "Authorization: x9", want: "Authorization: x9"},
		{name: "pass-phrase", text: "four words of mine", want: "four words of mine"},
		{name: "shell-variable", text: "${TOKEN}", want: "${TOKEN}", doubts: "placeholder"},
		{name: "shell-variable-inside", text: "pre-${TOKEN}", want: "pre-${TOKEN}", doubts: "placeholder"},
		{name: "shell-variable-bare", text: "$TREBLE_TOKEN", want: "$TREBLE_TOKEN", doubts: "placeholder"},
		{name: "kubernetes-variable", text: "$(TOKEN)", want: "$(TOKEN)", doubts: "placeholder"},
		{name: "windows-variable", text: "%TOKEN%", want: "%TOKEN%", doubts: "placeholder"},
		{name: "template", text: "{{ .Values.token }}", want: "{{ .Values.token }}", doubts: "placeholder"},
		{name: "template-of-a-pipeline", text: "#{Token}#", want: "#{Token}#", doubts: "placeholder"},
		{name: "angle-brackets", text: "<token>", want: "<token>", doubts: "placeholder"},
		{name: "our-own-print", text: "<secret>", want: "<secret>", doubts: "placeholder"},
		{name: "scheme-and-variable", header: bearer, text: "Bearer ${TOKEN}", want: "${TOKEN}", doubts: "more than the secret|placeholder"},
		{name: "change-me", text: "ChangeMe", want: "ChangeMe", doubts: "placeholder"},
		{name: "change-me-dashes", text: "CHANGE-ME", want: "CHANGE-ME", doubts: "placeholder"},
		{name: "your-token-here", text: "your_token_here", want: "your_token_here", doubts: "placeholder"},
		{name: "of-our-readme", text: "a-long-random-secret", want: "a-long-random-secret", doubts: "placeholder"},
		{name: "of-a-manual", text: "secret1", want: "secret1", doubts: "placeholder"},
		{name: "your-token-here-number", text: "your-token-here-1234", want: "your-token-here-1234", doubts: "placeholder"},
		{name: "replace-with", text: "REPLACE_ME_WITH_SECRET", want: "REPLACE_ME_WITH_SECRET", doubts: "placeholder"},
		{name: "replace-with-a", text: "<REPLACE-WITH-A-LONG-RANDOM-STRING>!", want: "<REPLACE-WITH-A-LONG-RANDOM-STRING>!", doubts: "placeholder"},
		{name: "changeme", header: bearer, text: "Bearer changeme123", want: "changeme123", doubts: "more than the secret|placeholder"},
		{name: "insert-here", text: "[insert your API key here]", want: "[insert your API key here]", doubts: "placeholder"},
		{name: "super-secret-token", text: "my-super-secret-auth-token", want: "my-super-secret-auth-token", doubts: "placeholder"},
		{name: "password-in-quotes", text: `"password"`, want: "password", doubts: "in quotes|placeholder"},
		{name: "words-that-ask-for-nothing", text: "the-first-of-our-own", want: "the-first-of-our-own"},
		{name: "words-and-another", text: "my-secret-zebra", want: "my-secret-zebra"},
		{name: "filler-groups", text: "xxxxxxxx-xxxx-xxxx", want: "xxxxxxxx-xxxx-xxxx", doubts: "placeholder"},
		{name: "filler-prefix", text: "sk_XXXXXXXXXXXX", want: "sk_XXXXXXXXXXXX", doubts: "placeholder"},
		{name: "filler-ellipsis", text: "xxx…", want: "xxx…", doubts: "placeholder"},
		{name: "zeros", text: "00000000000000000000", want: "00000000000000000000", doubts: "placeholder"},
		{name: "digits-in-a-row", text: "1234567890", want: "1234567890", doubts: "placeholder"},
		{name: "two-on-a-line", header: bearer, text: "abcdef0123,ghijkl0456", want: "abcdef0123,ghijkl0456", doubts: "several"},
		{name: "two-on-a-line-semicolon", text: "abcdef0123; ghijkl0456", want: "abcdef0123; ghijkl0456", doubts: "several"},
		{name: "password-with-a-comma", text: "x7,R!q9;Zp", want: "x7,R!q9;Zp"},
		{name: "semicolon-at-the-end", text: secret + ";", want: secret + ";", doubts: "semicolon"},
		{name: "comma-at-the-end", text: secret + ",\n", want: secret + ",", doubts: "comma"},
		{name: "line-feed-as-text", text: secret + `\n`, want: secret + `\n`, doubts: "backslash"},
		{name: "line-feed-as-text-in-quotes", text: `"` + secret + `\r\n"`, want: secret + `\r\n`, doubts: "in quotes|backslash"},
		{name: "filler", text: "xxxxxxxx", want: "xxxxxxxx", doubts: "placeholder"},
		{name: "null", text: "null", want: "null", doubts: "placeholder"},
		{name: "scheme-alone", header: bearer, text: "Bearer ", want: "Bearer", doubts: "placeholder"},
		{name: "1password", text: "op://vault/item/field", want: "op://vault/item/field", doubts: "name of a secret in a store"},
		{name: "sops", text: "ENC[AES256_GCM,data:x]", want: "ENC[AES256_GCM,data:x]", doubts: "name of a secret in a store"},
		{name: "path", text: "/run/secrets/token", want: "/run/secrets/token", doubts: "path of a file"},
		{name: "assignment", text: "TOKEN=" + secret, want: "TOKEN=" + secret, doubts: "NAME=value"},
		{name: "base64", text: "YWJjZGVmZ2hpamtsbW4=", want: "YWJjZGVmZ2hpamtsbW4="},
		{name: "base64-twice-padded", text: "YWJjZGVmZ2hpamtsbQ==", want: "YWJjZGVmZ2hpamtsbQ=="},
		{name: "json", text: `{"token":"x"}`, want: `{"token":"x"}`, doubts: "looks like JSON"},
		{name: "certificate", text: "-----BEGIN X-----", want: "-----BEGIN X-----", doubts: "key or a certificate"},
		{name: "hidden-inside", text: "abc\u200bdef", want: "abc\u200bdef", doubts: "cannot be seen"},
		{name: "latin-1", text: "contrase\xf1a-larga", want: "contrase\xf1a-larga", doubts: "not UTF-8"},
		{name: "beyond-ascii", header: bearer, text: "contraseña-larga", want: "contraseña-larga", doubts: "beyond ASCII"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want == "" {
				want = secret
			}
			got, doubts := value.CleanSecret(value.Secret(c.text), c.header)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			var parts []string
			if c.doubts != "" {
				parts = strings.Split(c.doubts, "|")
			}
			if len(doubts) != len(parts) {
				t.Fatalf("doubts: got %q, want %q", doubts, parts)
			}
			for i, part := range parts {
				if !strings.Contains(doubts[i], part) {
					t.Errorf("doubts: got %q, want %q", doubts, parts)
				}
			}
		})
	}
}

// TestRandomSecretsAreNotDoubted: a secret as one should make it is never warned of.
func TestRandomSecretsAreNotDoubted(t *testing.T) {
	random := rand.NewChaCha8([32]byte{'s'})
	take := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	encodings := map[string]func([]byte) string{
		"base64":     base64.StdEncoding.EncodeToString,
		"base64-raw": base64.RawStdEncoding.EncodeToString,
		"base64-url": base64.URLEncoding.EncodeToString,
		"url-raw":    base64.RawURLEncoding.EncodeToString,
		"base32":     base32.StdEncoding.EncodeToString,
		"hex":        hex.EncodeToString,
		"hex-upper":  func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		"uuid":       func(b []byte) string { return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]) },
		"prefixed":   func(b []byte) string { return "sk_live_" + base64.RawURLEncoding.EncodeToString(b) },
		"decimal":    func(b []byte) string { return new(big.Int).SetBytes(b).String() },
		"jwt": func(b []byte) string {
			e := base64.RawURLEncoding.EncodeToString
			return e([]byte(`{"alg":"HS256"}`)) + "." + e(b) + "." + e(b)
		},
	}
	each := 10_000
	if raceEnabled {
		each = 300
	}
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			for i := range each {
				s := encode(take(12 + i%30))
				header := []string{"", value.Authorization, "X-Api-Key"}[i%3]
				if got, doubts := value.CleanSecret(value.Secret(s), header); got != s || len(doubts) > 0 {
					t.Fatalf("%q became %q with doubts %q", s, got, doubts)
				}
			}
		})
	}
}

// TestDoubtsRepeatNothing: no doubt has a part of the secret.
func TestDoubtsRepeatNothing(t *testing.T) {
	for _, s := range []string{"canary-secret-canary,canary-canary", "canary;", `canary\n`, "${canary}", "<canary>", "/run/secrets/canary", "canary=canary", `{"a":"canary"}`} {
		_, doubts := value.CleanSecret(value.Secret(s), value.Authorization)
		if len(doubts) == 0 || strings.Contains(strings.Join(doubts, " "), "canary") {
			t.Errorf("%s: %q", s, doubts)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		doubts           int
	}{
		{"plain", "nats://host:4222", "nats://host:4222", 0},
		{"line-feed", "/etc/bridge/token\n", "/etc/bridge/token", 0},
		{"byte-order-mark", "\ufeff./data", "./data", 0},
		{"quotes", `"./data"`, "./data", 1},
		{"variable", "${HOME}/data", "${HOME}/data", 1},
		{"word", "token", "token", 0}, // a name may be one
		{"pattern", "/webhooks/on-*", "/webhooks/on-*", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, doubts := value.Clean(c.text); got != c.want || len(doubts) != c.doubts {
				t.Errorf("got %q with doubts %q, want %q with %d", got, doubts, c.want, c.doubts)
			}
		})
	}
}

func TestReadSecrets(t *testing.T) {
	for _, c := range []struct {
		name, content string
		want          []string
	}{
		{"unix", "one\n\n two \n", []string{"one", "two"}},
		{"windows", "\ufeffone\r\ntwo\r\n", []string{"one", "two"}},
		{"old-mac", "one\rtwo\r", []string{"one", "two"}},
		{"utf-16", utf16Text("one\r\ntwo\r\n", binary.LittleEndian, true), []string{"one", "two"}},
		{"nothing", "\ufeff \r\n\x00", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secrets")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			lines, err := value.ReadSecrets(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range lines {
				got = append(got, string(l.Secret))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			one, _, err := value.ReadSecret(path, "")
			if want := len(c.want) != 1; errors.Is(err, value.ErrSecretFile) != want {
				t.Errorf("as one secret: got %q, %v", one, err)
			}
		})
	}
}

// FuzzCleanSecret: a secret that has nothing odd about it is kept, and no doubt repeats one.
func FuzzCleanSecret(f *testing.F) {
	for _, seed := range []string{secret, "\ufeff" + secret, `"x"`, "Authorization: Bearer x", "-H '", `{"Authorization":"`, "${", "\xff\xfea\x00", "“”"} {
		f.Add(seed, "Authorization")
	}
	f.Fuzz(func(t *testing.T, text, header string) {
		got, doubts := value.CleanSecret(value.Secret(text), header)
		if len(doubts) == 0 && got != value.Trim(value.Decode([]byte(text))) {
			t.Errorf("%q became %q without a word", text, got)
		}
		for _, d := range doubts {
			if !slices.Contains(said, d) {
				t.Errorf("the doubt %q is not one of the fixed ones", d)
			}
		}
	})
}

// said are the doubts that there are: none is made of the text.
var said = func() []string {
	var all []string
	for _, text := range []string{`"Authorization: Bearer ${X}"`, "op://x", "/run/x/y", "A=b", `{"a":1}`, "-----BEGIN", "a\xff", "a\u200bb", "a b", "ñ"} {
		_, doubts := value.CleanSecret(value.Secret(text), value.Authorization)
		all = append(all, doubts...)
	}
	return all
}()

// FuzzParseObject: what is taken is JSON, unchanged but for what is around it.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, ` {"a":1e3} `, `{"a":{"b":[1,{"c":null}]},"b":2}`, `{"a":1,"a":2}`, `[`, "\ufeff{}", `{"a":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := value.ParseObject(text)
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(o), &members) != nil || !strings.Contains(value.Decode([]byte(text)), string(o)) {
			t.Errorf("%q became %q", text, o)
		}
	})
}

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration // -1: an error
	}{
		{"30d", 720 * time.Hour}, {"1d12h30m", 36*time.Hour + 30*time.Minute}, {"0.5d", 12 * time.Hour}, {" 7d\n", 168 * time.Hour},
		{"720h", 720 * time.Hour}, {"1m30s", 90 * time.Second}, {"0", 0}, {"0d", 0}, {"-1d", -24 * time.Hour},
		{"", -1}, {"d", -1}, {"5", -1}, {"1h1d", -1}, {"1d1", -1}, {"1d-1h", -1}, {"1d1d", -1}, {"4w", -1}, {"1e3d", -1},
		{"106752d", -1}, {"106751d23h48m", -1}, {"99999999999999999999d", -1}, {"106751d", 106751 * 24 * time.Hour},
	} {
		got, err := value.ParseDuration(c.text)
		if (err != nil) != (c.want == -1) || err == nil && got != c.want {
			t.Errorf("%q: got %s, %v, want %s", c.text, got, err, c.want)
		}
	}
}
