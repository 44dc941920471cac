package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// envelopeOf returns the envelope of a flow's body with a person and a text, and
// the person's number as it is normalised there.
func envelopeOf(t testing.TB, code, cellphone, text string) (envelope []byte, number string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"country_code": code, "cellphone": cellphone, "session_id": "s", "read_at": "1970-01-01 00:00:00", "sent_text": text})
	if err != nil {
		t.Fatal(err)
	}
	d := delivery.Parser{}.Parse(body, delivery.Origin{Source: "default", Path: "/webhook", Received: time.Unix(1, 0)})
	if d.Rejection != nil {
		t.Fatalf("%s is refused: %v", body, d.Rejection)
	}
	envelope, err = d.Events[0].Encode()
	if err != nil {
		t.Fatal(err)
	}
	return envelope, d.Events[0].Data.Base().Phone
}

// sameNumber holds that a normalised number is found in its event, and in no form of the
// event that is shown.
func sameNumber(t *testing.T, envelope []byte, number string) {
	t.Helper()
	p, ok := forget.ByPhone(number)
	if !ok {
		t.Fatalf("%s was normalised, and is no number", number)
	}
	if p.Match(nil, envelope) != forget.ByNumber {
		t.Errorf("%s is not found in %s", number, envelope)
	}
	// And in its body alone, which is all that is kept of a refused one.
	if body := rawOf(t, envelope); p.Match(nil, body) != forget.ByNumber || p.Match(nil, body[:len(body)-1]) != forget.ByNumber {
		t.Errorf("%s is not found in %s", number, body)
	}
	for name, shown := range map[string][]byte{"event": redact.Mask(envelope), "body": redact.Mask(rawOf(t, envelope)), "refused": redact.MaskRefused(rawOf(t, envelope)), "refused-event": redact.MaskRefused(envelope), "no-json": redact.MaskRefused(envelope[1:])} {
		if p.Match(nil, shown) == forget.ByNumber {
			t.Errorf("%s: %s is shown in %s, of %s", name, number, shown, envelope)
		}
	}
}

// rawOf is the body that an event was made of.
func rawOf(t *testing.T, envelope []byte) []byte {
	t.Helper()
	e, err := schema.Decode(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return e.Data.Base().Raw
}

// What is normalised, what is hidden and what is forgotten are the same numbers. All
// spellings are in package phone; here are those that a body may mix.
func TestSameNumber(t *testing.T) {
	for _, c := range []struct{ name, code, cellphone, text, want string }{
		{"plain", "+57", "3001234567", "call 300 123-4567 or +57 300 1234567", "+573001234567"},
		{"narrow-blanks", "57", "300\u202f123\u202f4567", "call 300\u2011123\u20114567", "+573001234567"},
		{"wide", "57", "３００１２３４５６７", "call 3001234567, ＋５７３００１２３４５６７", "+573001234567"},
		{"devanagari", "५७", "३००१२३४५६७", "+57 300 1234567", "+573001234567"},
		{"trunk", "44", "07911 123456", "call 7911-123456, +44 (0)7911 123456, 00447911123456", "+447911123456"},
		{"trunk-international", "1", "+44 (0)7911 123456", "call 07911123456", "+447911123456"},
		{"russia", "7", "8 912 345-67-89", "9123456789, 89123456789, +7 (8) 912 3456789", "+79123456789"},
		{"mexico", "52", "15512345678", "044 55 1234 5678, 5512345678, +5215512345678", "+525512345678"},
		{"link", "57", "tel:300-123-4567", "https://wa.me/573001234567?text=x", "+573001234567"},
		{"escaped", "57", "3001234567", `{"c":"\u0033001234567","d":"+57%20300%20123%204567"}`, "+573001234567"},
		{"escaped-twice", "57", "3001234567", `{\"c\":\"\\u0033001234567\", %2B57%2520300%25201234567`, "+573001234567"},
		{"wide-escaped", "57", "3001234567", `\uff0b\uff15\uff17\uff13001234567`, "+573001234567"},
		{"two-numbers", "57", "+573001234567", "310 987 6543 / 300 123 4567", "+573001234567"},
		{"bold", "57", "*300* 123 4567", "call +57 *300 123 4567* or 57      300      1234567", "+573001234567"},
		{"entities", "57", "300&nbsp;123&#x2011;4567", "&plus;57&#51;001234567, &amp;#53;&amp;#55;3001234567", "+573001234567"},
		{"circled", "⑤⑦", "③⓪⓪1234567", "⁺⁵⁷³⁰⁰¹²³⁴⁵⁶⁷, ₅₇ 3001234567, 57 30⓪⓵㉓4567", "+573001234567"},
		{"quantity", "57.0", "3001234567.0", "3.001234567e9, 573001234567.0", "+573001234567"},
		{"argentina", "54", "011 15 2345 6789", "+54 9 11 2345 6789, 011 15 2345-6789, +54 11 2345 6789, 54 11 15 23456789", "+5491123456789"},
		{"argentina-without-9", "54", "11 2345 6789", "+54 9 11 2345 6789, 011 15 2345-6789, 15 2345-6789", "+541123456789"},
		{"brazil", "55", "21 98765-4321", "+55 21 8765 4321, (021) 8765-4321", "+5521987654321"},
		{"code-behind", "57", "3001234567 (+57)", "(300) 123-4567 [+57], 3001234567/+57 or 300+123+4567", "+573001234567"},
		{"code-behind-in-text", "57", "300+123+4567", "3001234567 +57", "+573001234567"},
		{"thousands", "+57", "3,001,234,567", "3,001,234,567, +573,001,234,567 or paid 1,200,300 123 4567", "+573001234567"},
		{"thousands-in-text", "57", "3001234567", "573,001,234,567", "+573001234567"},
		{"other-country", "57", "+34 612 345 678", "612345678", "+34612345678"},
		{"short-country", "376", "312345", "at 312345", "+376312345"},
	} {
		t.Run(c.name, func(t *testing.T) {
			envelope, number := envelopeOf(t, c.code, c.cellphone, c.text)
			if number != c.want {
				t.Fatalf("normalised to %q, want %s", number, c.want)
			}
			sameNumber(t, envelope, number)
		})
	}
}

// TestManyNumbers: an event with as many numbers as a body of 1 MiB may have is shown, and no
// number in it.
func TestManyNumbers(t *testing.T) {
	var keys []map[string]string
	var text strings.Builder
	for i := range 20_000 {
		n := fmt.Sprintf("300%07d", i)
		keys = append(keys, map[string]string{"key": "phone", "value": n})
		fmt.Fprintf(&text, "%s and ", n)
	}
	doc, err := json.Marshal(map[string]any{"user_session_keys": keys, "text": text.String()})
	if err != nil {
		t.Fatal(err)
	}
	if shown := string(redact.Mask(doc)); strings.Contains(shown, "300") || !strings.Contains(shown, "********99 and") {
		t.Errorf("got %.300s", shown)
	}
}

func FuzzSameNumber(f *testing.F) {
	f.Add("+57", "3001234567", "x 300 123-4567 +57 300\u202f1234567")
	f.Add("44", "07911 123456", `(0)7911 123456 \u0037911123456 %2B447911123456`)
	f.Add("01", "100000", "0")
	f.Add("57", "300 123 4567 (+57)", "3001234567+57, 300+123+4567/+57")
	f.Add("+57", "3,001,234,567", "1,573,001,234,567 200,300 123 4567")
	f.Add("1809", "555-0123", "1 809 *555* 0123")
	f.Add(".54", "011 15 2345 6789", "&#53;4 9 11 2345 6789")
	f.Add("५७", "３００１２３４５６７", "{\"a\":\"\\u0033\u0660\"}")
	f.Fuzz(func(t *testing.T, code, cellphone, text string) {
		if envelope, number := envelopeOf(t, code, cellphone, text); number != "" {
			sameNumber(t, envelope, number)
		}
	})
}

// FuzzShownNumber: a number that is found in a text, of whomever it is, is in no form in
// which that text is shown.
func FuzzShownNumber(f *testing.F) {
	for _, text := range []string{
		"x573001234567y, 57.300.123.4567", "+57 *300 123 4567*", "country_code: 57, 3001234567", `["57","3001234567"]`, "2026-01-01 00:00:00.573001234567",
		`+57&nbsp;&#51;001234567`, `%2B57%203001234567`, `\u0035\u00373001234567`, "⑤⑦ ³⁰⁰ ₁₂₃ 4567", "57\n\n\n\n\n\n300-1234567", "+54 9 11 2345 6789 011 15 2345 6789",
		"3001234567 (+57), 300+123+4567/+57 2", "573,001,234,567 +57 3,001,234,567 200,00573001234567", "country_code: 57 1,200,300 123 4567", "5,345 678901 +12",
		"https://wa.me/573001234567?a=549112345678", "5e1.3001234567", "0057 3001234567.0", "573001234567-1", "57300123-4567-4000-8000-000000000000",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, session bool) {
		doc := map[string]string{"text": text}
		if session {
			doc = map[string]string{"session_id": text}
		}
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{"+573001234567", "+5491123456789", "+541123456789", "+12345678901", "+5521987654321"} {
			p, ok := forget.ByPhone(number)
			if !ok || p.Match(nil, body) != forget.ByNumber || session && redact.IsOpaque(text) {
				continue
			}
			for name, shown := range map[string][]byte{"event": redact.Mask(body), "refused": redact.MaskRefused(body)} {
				if p.Match(nil, shown) == forget.ByNumber {
					t.Errorf("%s: %s is shown in %s, of %s", name, number, shown, body)
				}
			}
		}
	})
}
