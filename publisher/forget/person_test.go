package forget_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// parsed returns the envelope that the bridge publishes of a body.
func parsed(t testing.TB, body string) []byte {
	t.Helper()
	d := (&delivery.Parser{}).Parse([]byte(body), delivery.Origin{Source: "default", Path: "/webhook", Received: time.Unix(1, 0)})
	if d.Rejection != nil {
		t.Fatalf("%s is refused: %v", body, d.Rejection)
	}
	b, err := d.Events[0].Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wide is a text in UTF-16, as a sender may post it.
func wide(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}

func person(t testing.TB, phone string) *forget.Person {
	t.Helper()
	p, ok := forget.ByPhone(phone)
	if !ok {
		t.Fatalf("%s is no number", phone)
	}
	return p
}

// TestSpellingsOfANumber: a number is found in whatever form a message is kept, and however it was
// asked for. How it may be spelled there: package phone.
func TestSpellingsOfANumber(t *testing.T) {
	const colombia, mexico = "+573001234567", "+525512345678"
	for _, c := range []struct{ name, phone, text string }{
		{"digits", colombia, `{"phone":"573001234567"}`},
		{"number", colombia, `{"phone":573001234567}`},
		{"in-words", colombia, `{"text":"call me: +57 300 123 4567, please"}`},
		{"json-in-json", colombia, `{"raw":"{\"phone\":\"\\u0035\\u00373001234567\"}"}`},
		{"url-escaped", colombia, `to=%2B573001234567&x=1`},
		{"apart", colombia, `{"country_code":"+57","cellphone":"3001234567"}`},
		{"apart-spelled", colombia, `{"cellphone":"300 123-4567","country_code":"57"}`},
		{"apart-cut-off", colombia, `{"country_code":"57","cellphone":"3001234567","x":`},
		{"utf16", colombia, wide(`{"phone":"+573001234567"}`)},
		{"raw-base64", colombia, `{"raw_base64":"` + base64.StdEncoding.EncodeToString([]byte(`{"phone":"+573001234567"}`)) + `"}`},
		{"mexico-asked-with-1", "+5215512345678", `{"phone":"+525512345678"}`},
		{"mexico-asked-with-1-apart", "+5215512345678", `{"country_code":"52","cellphone":"5512345678"}`},
		{"not-json", colombia, "\xff\xfe573001234567"},
		{"wide-digits-utf16", colombia, wide(`{"text":"＋５７３００１２３４５６７"}`)},
		{"wide-digits-raw-base64", colombia, `{"raw_base64":"` + base64.StdEncoding.EncodeToString([]byte(`＋５７３００१२३४५६७`)) + `"}`},
		{"trunk-asked", "+44 (0)7911 123456", `{"phone":"+447911123456"}`},
		{"apart-plus-in-front-of-national", colombia, string(parsed(t, `{"country_code":"57","cellphone":"+3001234567","session_id":"s","read_at":"2026-01-01 00:00:00"}`))},
		{"argentina-asked-as-at-home", "+54 11 15 2345 6789", `{"phone":"+5491123456789"}`},
		{"argentina-event-without-9", "+5491123456789", string(parsed(t, `{"country_code":"54","cellphone":"1123456789","session_id":"s","read_at":"2026-01-01 00:00:00"}`))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := person(t, c.phone).Match(nil, []byte(c.text)); got != forget.ByNumber {
				t.Errorf("%q: got %d, want that the number is found", c.text, got)
			}
		})
	}
	if person(t, colombia).Match(map[string][]string{"Treble-Path": {"/webhook/+57%203001234567"}}, nil) != forget.ByNumber {
		t.Error("the number stands in a header, and is not found")
	}
}

func TestNumbersOfOthers(t *testing.T) {
	for name, text := range map[string]string{
		"longer":            `{"phone":"+5730012345678"}`,
		"without-code":      `{"cellphone":"3001234567"}`,
		"code-of-another":   `{"country_code":"1","cellphone":"3001234567","text":"57, and +57 for that"`,
		"code-alone":        `{"country_code":"57","cellphone":"3109876543"}`,
		"event-of-another":  string(parsed(t, `{"country_code":"1","cellphone":"3001234567","session_id":"s","read_at":"2026-01-01 00:00:00","n":57}`)),
		"nothing":           ``,
		"empty-base64":      `{"raw_base64":""}`,
		"broken-base64":     `{"raw_base64":"!!!"}`,
		"escapes-cut-short": `\u003`,
	} {
		t.Run(name, func(t *testing.T) {
			p := person(t, "+573001234567")
			if got := p.Match(nil, []byte(text)); got != forget.No {
				t.Errorf("%s: got %d, want that it is of somebody else", text, got)
			}
			if len(p.Sessions()) > 0 {
				t.Errorf("%s: learned %q", text, p.Sessions())
			}
		})
	}
}

// The 1 of America stands in any body, and is no country code there.
func TestBareOne(t *testing.T) {
	p := person(t, "+12025550123")
	for _, text := range []string{`{"country_code":"52","cellphone":"2025550123","answers":1`, `{"cellphone":"2025550123","answers":[1,2]`, `{"text":"1) yes","cellphone":"2025550123"`} {
		if got := p.Match(map[string][]string{"Treble-Attempt": {"1"}, "Content-Length": {"1"}}, []byte(text)); got != forget.No {
			t.Errorf("%s: got %d", text, got)
		}
	}
	if p.Match(nil, []byte(`{"country_code":"1","cellphone":"2025550123","answers":2`)) != forget.ByNumber {
		t.Error("the person's own is not found")
	}
}

// The digits of a number may be all of a number of another country, without its code.
func TestSameDigitsAbroad(t *testing.T) {
	event := func(code, number string) []byte {
		return parsed(t, `{"country_code":"`+code+`","cellphone":"`+number+`","session_id":"s","read_at":"2026-01-01 00:00:00"}`)
	}
	for _, c := range []struct {
		name, phone string
		data        []byte
		want        forget.Match
	}{
		{"germany", "+15123456789", event("+49", "15123456789"), forget.No},
		{"china", "+13022345678", event("+86", "130 2234 5678"), forget.No},
		{"the-person", "+15123456789", event("+1", "5123456789"), forget.ByNumber},
		{"code-twice", "+573001234567", event("+57", "573001234567"), forget.ByNumber},
		{"nobody-knows-whose", "+15123456789", []byte(`{"cellphone":"15123456789"}`), forget.ByNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := person(t, c.phone).Match(nil, c.data); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestKeysAgainAndAgain: what looks like the beginning of a session or of hidden bytes is
// read once, however often it stands there. With a scan to the end for each, this would
// take hours.
func TestKeysAgainAndAgain(t *testing.T) {
	for _, key := range []string{`"session_id":x`, `"session_id":"x`, `"raw_base64":"x`, `"raw_base64"`, "+57 300 123 456 "} {
		p := person(t, "+573001234567")
		p.Give(session, "undefined")
		if got := p.Match(nil, bytes.Repeat([]byte(key), 1<<21/len(key))); got != forget.No {
			t.Errorf("%s: got %d", key, got)
		}
	}
}

// Where nobody can tell an id from a number, the message counts as the person's.
func TestMistakableIDs(t *testing.T) {
	for _, text := range []string{`{"id":"573001234567-1"}`, `{"id":"a573001234567"}`, `{"id":"57300123-4567-4000-8000-000000000000"}`} {
		if got := person(t, "+573001234567").Match(nil, []byte(text)); got != forget.ByNumber {
			t.Errorf("%s: got %d", text, got)
		}
	}
}

const session = "d2fa98d29a2670dfa119335df1b0371720d674f1677302aba228876a"

func TestSessionsAreLearned(t *testing.T) {
	mine := parsed(t, `{"country_code":"57","cellphone":"3001234567","session_id":"`+session+`","read_at":"2026-01-01 00:00:00"}`)
	only := parsed(t, `{"session_id":"`+session+`","user_session_keys":[]}`)
	refused := []byte(`{"session_external_id":"` + session + `"`)
	p := person(t, "+57 300 1234567")
	if got := p.Match(nil, only); got != forget.No {
		t.Errorf("before the session is known: got %d", got)
	}
	before := p.Version()
	if got := p.Match(nil, mine); got != forget.ByNumber || p.Version() == before {
		t.Errorf("got %d, and version %d of %d", got, p.Version(), before)
	}
	if got := p.Sessions(); !slices.Equal(got, []string{session}) {
		t.Errorf("learned %q", got)
	}
	for _, text := range [][]byte{only, refused, []byte("GET /" + session)} {
		if got := p.Match(nil, text); got != forget.BySession {
			t.Errorf("%s: got %d, want that the session is known", text, got)
		}
	}
	if got := p.Match(nil, []byte(`{"session_id":"`+session+`b"}`)); got != forget.No {
		t.Errorf("of another session: got %d", got)
	}
}

// A placeholder that many people have in place of a session is nobody's.
func TestSharedSession(t *testing.T) {
	body := `{"country_code":"57","cellphone":"%s","session_id":"undefined","read_at":"2026-01-01 00:00:00"}`
	p := person(t, "+573001234567")
	mine, theirs := parsed(t, fmt.Sprintf(body, "3001234567")), parsed(t, fmt.Sprintf(body, "3109876543"))
	only := parsed(t, `{"session_id":"undefined","user_session_keys":[]}`)
	if p.Match(nil, mine) != forget.ByNumber || p.Match(nil, only) != forget.BySession {
		t.Error("the session is not learned")
	}
	before := p.Version()
	if p.Match(nil, theirs) != forget.No || p.Version() == before || p.Shared() != 1 {
		t.Error("it is not noticed that the session is of somebody else too")
	}
	if p.Match(nil, only) != forget.No || p.Match(nil, mine) != forget.ByNumber || len(p.Sessions()) > 0 {
		t.Error("the session is taken for the person's again")
	}
	if forget.ByID("undefined").Match(nil, theirs) != forget.BySession {
		t.Error("who asks for a session means all that is of it")
	}
}

// The person's number in the talk of somebody else: that message goes, the talk stays.
func TestMentionedNumber(t *testing.T) {
	talk := `{"country_code":"57","cellphone":"3109876543","session_id":"` + session + `","read_at":"2026-01-01 00:00:00","sent_text":"%s"}`
	p := person(t, "+573001234567")
	if p.Match(nil, parsed(t, fmt.Sprintf(talk, "ask +57 300 123 4567"))) != forget.ByNumber {
		t.Error("the number stands in it")
	}
	if p.Match(nil, parsed(t, fmt.Sprintf(talk, "thanks"))) != forget.No {
		t.Error("the rest is of somebody else")
	}
}

func TestBySession(t *testing.T) {
	p := forget.ByID("1234")
	for text, want := range map[string]forget.Match{
		`{"session_id":"1234"}`:             forget.BySession,
		`{"session_id":1234}`:               forget.BySession,
		`{"external_id": "1234" }`:          forget.BySession,
		`{"x":"{\"session_id\":\"1234\"}"}`: forget.BySession,
		`{"n":1234}`:                        forget.No,
		`{"session_id":"12345"}`:            forget.No,
		`{"text":"session 1234"}`:           forget.No,
	} {
		if got := p.Match(nil, []byte(text)); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
	if _, ok := forget.ByPhone("12"); ok {
		t.Error("12 is no number")
	}
}

// Whatever stands around it, a number that was written as JSON is found, and a
// number that was not written is not.
func FuzzPerson(f *testing.F) {
	f.Add("call ", " now", uint64(3001234567))
	f.Add(`{"raw_base64":"`, `"}`, uint64(1))
	f.Add("\xff\u00a0%5", `\u00`, uint64(9999999999))
	f.Fuzz(func(t *testing.T, before, after string, n uint64) {
		rest := fmt.Sprintf("3%09d", n%1e9)
		p := person(t, "+57"+rest)
		text, err := json.Marshal(map[string]string{"text": before + "|+57 " + rest + "|" + after})
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(nil, text) != forget.ByNumber {
			t.Errorf("not found in %s", text)
		}
		if other, err := json.Marshal(before + after); err == nil && !anyDigits(before+after) && p.Match(nil, other) == forget.ByNumber {
			t.Errorf("found in %s", other)
		}
		p.Match(map[string][]string{"H": {before}}, []byte(after)) // must not panic
	})
}

// anyDigits reports whether a text may hold a number, escaped or not.
func anyDigits(s string) bool { return strings.ContainsAny(s, `0123456789%\=`) }

// BenchmarkMatch measures a message of another person.
func BenchmarkMatch(b *testing.B) {
	p := person(b, "+573001234567")
	p.Match(nil, parsed(b, `{"country_code":"57","cellphone":"3001234567","session_id":"`+session+`","read_at":"2026-01-01 00:00:00"}`)) // and its session is known
	event := parsed(b, `{"country_code":"57","cellphone":"3109876543","session_id":"s","read_at":"2026-01-01 00:00:00","sent_text":"`+strings.Repeat("how are you? ", 50)+`"}`)
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		p.Match(nil, event)
	}
}
