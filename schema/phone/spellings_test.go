package phone

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
)

const (
	colombia = "+573001234567"
	britain  = "+447911123456"
	mexico   = "+525512345678"

	argentina = "+5491123456789"
)

// spellings are numbers in the international form. A further one is a further row.
var spellings = []struct{ name, number, text string }{
	{"e164", colombia, "+573001234567"},
	{"blanks", colombia, "+57 300 123 4567"},
	{"dashes", colombia, "+57-300-123-45-67"},
	{"dots", colombia, "+57.300.123.45.67"},
	{"slashes", colombia, "+57/300/1234567"},
	{"brackets", colombia, "+57 (300) 123-4567"},
	{"plus-in-brackets", colombia, "(+57) 300 1234567"},
	{"square-brackets", colombia, "+57 [300] 123-4567"},
	{"bracket-dash-bracket", colombia, "+57 - (300) - 1234567"},
	{"tab", colombia, "+57\t300\t1234567"},
	{"lines", colombia, "+57 300\n1234567"},
	{"double-zero", colombia, "0057 300 1234567"},
	{"double-zero-joined", colombia, "00573001234567"},
	{"trunk", britain, "+44 (0)7911 123456"},
	{"trunk-in-blanks", britain, "+44 ( 0 ) 7911 123456"},
	{"trunk-joined", britain, "+4407911123456"},
	{"trunk-double-zero", britain, "0044 (0) 7911-123456"},
	{"trunk-other-zero", britain, "+44 (\uff10)7911 123456"},
	{"no-trunk-in-italy", "+390669812345", "+39 06 698 12345"},
	{"no-trunk-in-ivory-coast", "+2250701234567", "+225 07 01 23 45 67"},
	{"no-trunk-in-spain", "+34612345678", "+34 612 345 678"},
	{"trunk-of-russia", "+79123456789", "+7 (8) 912 345-67-89"},
	{"no-trunk-of-russia", "+78123456789", "+7 812 345-67-89"},
	{"trunk-of-hungary", "+36301234567", "+36 (06) 30 123 4567"},
	{"trunk-of-america", "+12025550123", "+1 1 (202) 555-0123"},
	{"old-mexico", mexico, "+52 1 55 1234 5678"},
	{"old-mexico-joined", mexico, "+5215512345678"},
	{"trunk-of-mexico", mexico, "+52 (044) 55 1234 5678"},
	{"narrow-no-break-space", colombia, "+57\u202f300\u202f123\u202f4567"},
	{"no-break-space", colombia, "+57\u00a0300\u00a01234567"},
	{"figure-space", colombia, "+57\u2007300\u20071234567"},
	{"thin-space", colombia, "+57\u2009300\u20091234567"},
	{"ideographic-space", colombia, "+57\u3000300\u30001234567"},
	{"line-separator", colombia, "+57\u2028300\u20291234567"},
	{"hyphen", colombia, "+57\u2010300\u20101234567"},
	{"no-break-hyphen", colombia, "+57\u2011300\u20111234567"},
	{"figure-dash", colombia, "+57\u2012300\u20121234567"},
	{"en-dash", colombia, "+57\u2013300\u20131234567"},
	{"em-dash", colombia, "+57\u2014300\u20151234567"},
	{"minus", colombia, "+57\u2212300\u22121234567"},
	{"wide-hyphen", colombia, "+57\uff0d300\ufe631234567"},
	{"soft-hyphen", colombia, "+57300\u00ad1234567"},
	{"zero-width-space", colombia, "+57\u200b300\u200b1234567"},
	{"joiners", colombia, "+57\u200c300\u200d1\u2060234567"},
	{"left-to-right-mark", colombia, "\u200e+57 300 1234567\u200e"},
	{"embedding", colombia, "\u202a+57 300 1234567\u202c"},
	{"isolate", colombia, "+57 \u2066(300)\u2069 1234567"},
	{"many-marks", colombia, "+5\u200e7\u200f \u061c300\u200e\u200f\u202a\u202c\u2066\u2069\u200b1234567"},
	{"byte-order-mark", colombia, "\ufeff+573001234567"},
	{"latin-1-blank", colombia, "+57\xa0300\xa01234567"},
	{"windows-1252-dash", colombia, "+57\x96300\x961234567"},
	{"replaced", colombia, "+57\ufffd300\ufffd1234567"},
	{"keycaps", colombia, "+5\ufe0f\u20e37\ufe0f\u20e33001234567"},
	{"wide-digits", colombia, "\uff0b\uff15\uff17\uff13\uff10\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17"},
	{"wide-plus", colombia, "\uff0b573001234567"},
	{"small-plus", colombia, "\ufe62573001234567"},
	{"arabic-digits", colombia, "+٥٧٣٠٠١٢٣٤٥٦٧"},
	{"persian-digits", colombia, "+۵۷ ۳۰۰ ۱۲۳ ۴۵۶۷"},
	{"devanagari-digits", colombia, "+५७ ३०० १२३४५६७"},
	{"bengali-digits", colombia, "+৫৭৩০০১২৩৪৫৬৭"},
	{"mathematical-digits", colombia, "+𝟓𝟕 𝟑𝟎𝟎 𝟏𝟐𝟑 𝟒𝟓𝟔𝟕"},
	{"mixed-digits", colombia, "+57 ३०० \uff11٢۳ 4567"},
	{"middle-dots", colombia, "+57·300\u2022123\u22c54567"},
	{"wide-dots", colombia, "+57\uff0e300\uff0f1234567"},
	{"apostrophes", colombia, "+57 300'123’4567"},
	{"quotation-marks", colombia, "«+57» “300” 1234567"},
	{"bold", colombia, "+57 *300 123 4567*"},
	{"bold-and-italic", colombia, "*+57* _300_ *123*~4567~"},
	{"code-marks", colombia, "`+57` ```300 1234567```"},
	{"six-blanks", colombia, "+57      300 123 4567"},
	{"many-blanks", colombia, "+57" + strings.Repeat(" ", 300) + "300" + strings.Repeat("\n", 50) + "1234567"},
	{"leader", colombia, "+57 ................ 300 1234567"},
	{"bars", colombia, "+57 | 300 | 1234567"},
	{"angles", colombia, "+57 <300> >>> 1234567"},
	{"accents", colombia, "+57 300´123`4567^"},
	{"emoji", colombia, "+57 📱🇨🇴👉🏽 300 ☎️ 1234567"},
	{"private-use", colombia, "+57\ue000300\uf8ff1234567"},
	{"entities", colombia, "&plus;57&nbsp;300&#160;123&#xA0;4567"},
	{"entity-digits", colombia, "+&#53;&#x37;300&#x0031;234567"},
	{"entities-without-semicolon", colombia, "+&#53&#55&nbsp300&#x31 234567"},
	{"entity-zeros", colombia, "&#00000043;57300&#x00000000031;234567"},
	{"entity-plus", colombia, "&#43;573001234567"},
	{"entities-twice", colombia, "&amp;#43;57&amp;nbsp;300&amp;amp;nbsp;1234567"},
	{"entities-in-url", colombia, "%26plus%3B57%26nbsp%3B3001234567"},
	{"url-in-entities", colombia, "&percnt;2B57&#37;203001234567"},
	{"entities-in-json", colombia, `\u0026plus;57\u0026#51;001234567`},
	{"entity-dashes", colombia, "+57&ndash;300&mdash;123&shy;45&hyphen;67"},
	{"entity-windows-1252", colombia, "+57&#150;300&#151;1234567"},
	{"raised", colombia, "⁺⁵⁷ ³⁰⁰ ¹²³ ⁴⁵⁶⁷"},
	{"lowered", colombia, "₊₅₇₃₀₀₁₂₃₄₅₆₇"},
	{"circled", colombia, "+⑤⑦ ③⓪⓪ ①②③④⑤⑥⑦"},
	{"circled-ten", colombia, "+57 30⓪12❸④⑤⑥⑦"},
	{"circled-numbers", "+573010203040", "+57 30⑩⑳㉚㊵"},
	{"bracketed", colombia, "+⑸⑺ 300 ⑴⑵⑶4567"},
	{"with-full-stops", colombia, "+⒌⒎🄄🄁🄀⒈⒉⒊⒋⒌⒍⒎"},
	{"dingbats", colombia, "+❺➐ ➂⓿⓿ 1234567"},
	{"argentina", argentina, "+54 9 11 2345 6789"},
	{"argentina-home", argentina, "+54 11 15 2345-6789"},
	{"argentina-home-and-abroad", argentina, "+54 9 11 15 2345-6789"},
	{"argentina-home-trunk", argentina, "+54 (011) 15 2345-6789"},
	{"argentina-three", "+5493511234567", "+54 351 15 123-4567"},
	{"argentina-four", "+5492966123456", "+54 2966 15 12-3456"},
	{"no-home-in-argentina", "+541145678901", "+54 11 4567 8901"},
	{"quantity", colombia, "+573001234567.0"},
	{"quantity-other-digits", colombia, "+५७३००१२३४५६७.००"},
	{"quantity-exponent", colombia, "+5.73001234567e11"},
	{"quantity-spelled", colombia, "+57 300 123-4567.0"},
	{"underscores", colombia, "+57_300_1234567"},
	{"tilde", colombia, "+57~300~1234567"},
	{"japanese-dash", colombia, "+57\u30fc300\u30fc1234567"},
	{"japanese-dash-half-width", colombia, "+57\uff70300\uff701234567"},
	{"hangul-filler", colombia, "+57\u3164300\u31641234567"},
	{"hangul-filler-half-width", colombia, "+57\uffa0300\uffa01234567"},
	{"braille-blank", colombia, "+57\u2800300\u28001234567"},
	{"trunk-of-lithuania", "+37061234567", "+370 (8) 612 34567"},
	{"new-trunk-of-lithuania", "+37061234567", "+370 (0) 612 34567"},
	{"no-trunk-of-lithuania", "+37081234567", "+370 812 34567"},
	{"tel", colombia, "tel:+57-300-123-4567"},
	{"tel-upper-case", colombia, "TEL:+573001234567"},
	{"tel-parameters", colombia, "tel:+573001234567;ext=12"},
	{"tel-escaped", colombia, "tel:%2B57%20300%201234567"},
	{"wa-me", colombia, "https://wa.me/573001234567"},
	{"wa-me-text", colombia, "https://wa.me/573001234567?text=hi"},
	{"wa-me-plus", colombia, "wa.me/+573001234567"},
	{"whatsapp-send", colombia, "https://api.whatsapp.com/send?phone=573001234567&text=1"},
	{"whatsapp-scheme", colombia, "whatsapp://send?phone=%2B573001234567"},
	{"twilio", colombia, "whatsapp:+573001234567"},
	{"url-escaped", colombia, "%2B573001234567"},
	{"url-escaped-digits", colombia, "%2B%35%37%33001234567"},
	{"url-escaped-marks", colombia, "+57%E2%80%AF300%E2%80%911234567"},
	{"url-escaped-devanagari", colombia, "+%E0%A5%AB%E0%A5%AD3001234567"},
	{"url-escaped-twice", colombia, "%252B57%2520300%25201234567"},
	{"url-blanks", colombia, "%2B57+300+1234567"},
	{"json-escaped-plus", colombia, `\u002b573001234567`},
	{"json-escaped-digits", colombia, `+\u0035\u00373001234567`},
	{"json-escaped-wide", colombia, `\uff0b\uff15\uff173001234567`},
	{"json-escaped-surrogates", colombia, `+\ud835\udfd3\ud835\udfd53001234567`},
	{"json-escaped-blank", colombia, `+57\u202f300\n1234567`},
	{"json-in-json", colombia, `+\\u0035\\u00373001234567`},
	{"json-in-json-in-json", colombia, `+\\\\u0035\\\\u00373001234567`},
	{"url-in-json", colombia, `\u0025\u0032\u0042573001234567`},
	{"url-brackets", colombia, "%2B57+%28300%29+1234567"},
	{"url-blanks-and-code", colombia, "%2B57+300+123+45+67"},
	{"second-plus", colombia, "+57 + 300 1234567"},
	{"thousands", colombia, "+573,001,234,567"},
	{"thousands-behind-code", colombia, "+57 3,001,234,567"},
	{"thousands-quantity", colombia, "+573,001,234,567.00"},
	{"thousands-other-digits", colombia, "+५७३,००१,२३४,५६७"},
	{"thousands-escaped", colombia, `+573&#44;001%2C234\u002c567`},
	{"thousands-apostrophes", colombia, "+573'001'234'567"},
}

// seen reports whether any reading of a text has the number with its country code.
func seen(number, text string) bool {
	for _, r := range Readings([]byte(text)) {
		if Seek(number).In(r)&Whole != 0 {
			return true
		}
	}
	return false
}

// TestSpellings: a number is read, found and hidden, however it is written.
func TestSpellings(t *testing.T) {
	for _, c := range spellings {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := Parse(c.text); got != c.number || !ok {
				t.Errorf("read %q: got %q, want %s", c.text, got, c.number)
			}
			// International, so that another country code counts for nothing.
			if got, ok := Join("1", c.text); got != c.number || !ok {
				t.Errorf("joined %q: got %q, want %s", c.text, got, c.number)
			}
			for _, text := range []string{c.text, "call " + c.text + ", please", "(" + c.text + ")"} {
				if !seen(c.number, text) {
					t.Errorf("%s is not found in %q", c.number, text)
				}
				var s Set
				if got := s.Hide(text); seen(c.number, got) {
					t.Errorf("%s is not hidden in %q: %q", c.number, text, got)
				}
				for name, hide := range map[string]func(string) string{"long": HideLong, "all": HideAll} {
					if got := hide(text); seen(c.number, got) {
						t.Errorf("%s: %s is not hidden in %q: %q", name, c.number, text, got)
					}
				}
			}
		})
	}
}

// nationals are numbers of which the country code stands elsewhere.
var nationals = []struct{ name, code, text, number string }{
	{"plain", "+57", "3001234567", colombia},
	{"code-without-plus", "57", "300 123-4567", colombia},
	{"code-with-zeros", "0057", "3001234567", colombia},
	{"code-wide", "＋５７", "3001234567", colombia},
	{"code-devanagari", "५७", "३००१२३४५६७", colombia},
	{"trunk", "44", "07911 123456", britain},
	{"trunk-bracket", "+44", "(0)7911 123456", britain},
	{"trunk-other-digits", "44", "०७९११ १२३४५६", britain},
	{"italy", "39", "06 698 12345", "+390669812345"},
	{"russia", "7", "8 912 345-67-89", "+79123456789"},
	{"belarus", "375", "8 029 123 45 67", "+375291234567"},
	{"hungary", "36", "06 30 123 4567", "+36301234567"},
	{"america", "1", "1 (202) 555-0123", "+12025550123"},
	{"caribbean", "1809", "5550123", "+18095550123"},
	{"mexico-code-with-1", "521", "55 1234 5678", mexico},
	{"argentina-code-with-9", "549", "11 2345 6789", argentina},
	{"code-behind-a-point", ".57", "3001234567", colombia},
	{"code-with-one-zero", "+057", "3001234567", colombia},
	{"old-mexico", "52", "1 55 1234 5678", mexico},
	{"mexico-044", "52", "044 55 1234 5678", mexico},
	{"tel", "57", "tel:3001234567;phone-context=+57", colombia},
	{"argentina", "54", "011 2345-6789", "+541123456789"},
	{"argentina-mobile", "54", "011 15 2345-6789", argentina},
	{"argentina-mobile-abroad", "54", "9 11 2345-6789", argentina},
	{"argentina-mobile-without-trunk", "54", "351 15 123-4567", "+5493511234567"},
	{"brazil", "55", "(021) 98765-4321", "+5521987654321"},
	{"quantity", "57.0", "3001234567.0", colombia},
	{"quantity-exponent", "5.7e1", "3.001234567E+09", colombia},
	{"thousands", "+57", "3,001,234,567", colombia},
	{"thousands-quantity", "57", "3,001,234,567.0", colombia},
	{"url-blanks", "57", "300+123+4567", colombia},
	{"argentina-without-trunk", "54", "1123456789", "+541123456789"},
	{"america-without-trunk", "1", "2025550123", "+12025550123"},
	{"andorra", "376", "312 345", "+376312345"},
}

// behinds are numbers with their country code behind them.
var behinds = []struct{ name, code, text, number string }{
	{"brackets", "57", "3001234567 (+57)", colombia},
	{"blank", "57", "3001234567 +57", colombia},
	{"square-brackets", "57", "(300) 123-4567 [+57]", colombia},
	{"slash", "57", "3001234567/+57", colombia},
	{"nothing-between", "57", "3001234567+57", colombia},
	{"in-its-own-brackets", "57", "300 123 4567 (+ 57)", colombia},
	{"zeros", "57", "3001234567 (+0057)", colombia},
	{"other-digits", "57", "३००१२३४५६७ (＋５７)", colombia},
	{"url", "57", "300+123+4567+%28%2B57%29", colombia},
	{"url-without-brackets", "57", "300+123+4567+%2B57", colombia},
	{"escaped", "57", `300\u0020123&nbsp;4567 &plus;57`, colombia},
	{"thousands", "57", "3,001,234,567 (+57)", colombia},
	{"twice", "57", "+57 300 1234567 (+57)", colombia},
	{"trunk", "44", "07911 123456 (+44)", britain},
	{"plan-not-known", "44", "7911 123456 / +44", britain},
	{"mexico", "52", "1 55 1234 5678 (+52)", mexico},
	{"argentina", "54", "011 15 2345 6789 (+54)", argentina},
	{"argentina-9", "549", "11 2345 6789 (+549)", argentina},
	{"area", "1809", "555 0123 (+1809)", "+18095550123"},
	{"short", "376", "312 345 (+376)", "+376312345"},
}

// TestCodeBehind: a plus within a run of digits begins the country code, if one stands
// behind it.
func TestCodeBehind(t *testing.T) {
	for _, c := range behinds {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := Join("+"+c.code, c.text); got != c.number || !ok {
				t.Errorf("%s %s: got %q, want %s", c.code, c.text, got, c.number)
			}
			if got, ok := Join("33", c.text); ok && got != c.number {
				t.Errorf("33 and %s: got %q", c.text, got)
			}
			if len(c.code) == len(countryOf(c.code)) {
				if got, ok := Parse(c.text); got != c.number || !ok {
					t.Errorf("%s: got %q, want %s", c.text, got, c.number)
				}
			}
			for _, text := range []string{c.text, "call " + c.text + ", please", "(" + c.text + ")", "2 and 3 " + c.text + " + 5"} {
				if !seen(c.number, text) {
					t.Errorf("%s is not found in %q", c.number, text)
				}
				var none, some Set
				some.Add(c.number)
				for name, hide := range map[string]func(string) string{"marked": none.Hide, "known": some.Hide, "long": HideLong, "all": HideAll} {
					if got := hide(text); seen(c.number, got) {
						t.Errorf("%s: %s is not hidden in %q: %q", name, c.number, text, got)
					}
				}
			}
			var s Set
			s.Add(c.text)
			if got := s.Hide("x" + c.number[1:] + "y"); seen(c.number, got) {
				t.Errorf("%s is known, and %s is shown as %q", c.text, c.number, got)
			}
		})
	}
	// The code of another number, or another one.
	for text, want := range map[string]Seen{
		"3001234567 (+57) 310 987 6543": Apart, "3001234567 (+57) 310 987 6543 (+57)": Apart, "310 987 6543 (+57) 3001234567 (+57)": Whole, "3001234567; 310 987 6543 (+57)": Apart,
		"country_code: 1, 3001234567 (+57)": Whole, "country_code: 1, 3001234567 (+57) 310 987 6543": Rest, "country_code: 1, 3001234567, +57": Rest,
		"3001234567 (+1)": Rest, "3001234567 (+573)": Rest, "13001234567 (+57)": Code, "3001234567 +1 (+57)": Apart,
	} {
		if got := Seek(colombia).In([]byte(text)); got&want != want || want&Whole == 0 && got != want {
			t.Errorf("%q: got %b, want %b", text, got, want)
		}
	}
}

// TestPlusBetween: a plus between digits is a blank of a URL, or else there is no number.
func TestPlusBetween(t *testing.T) {
	for _, c := range []struct{ code, text, want string }{
		{"57", "300+123+4567", colombia},
		{"57", "300+1234567", colombia},
		{"57", "3001234+567", colombia},
		{"57", "300+123+45+67", colombia},
		{"57", "300+123+45+57", "+573001234557"},
		{"57", "(300)+123-4567", colombia},
		{"44", "7911+123456", britain},
		{"44", "20+7946+0958", "+442079460958"},
		{"57", "57 +3001234567", ""},
		{"57", "3001234567 (+1)", ""},
		{"57", "3001234567+1", ""},
		{"44", "7911123456+1", ""},
		{"1", "3001234567 (+57)", ""},
		{"1809", "5550123 (+1)", ""},
		{"57", "+34 612 345 678 (+57)", ""},
		{"57", "573001234567 (+57)", ""},
		{"44", "447911123456 (+44)", ""},
		{"57", "3001234567 +573109876543", ""},
		{"57", "3001234567 +57 3109876543", ""},
		{"57", "12345 +67890", ""},
		{"57", "3001234567 +00", ""},
		{"5+7", "3001234567", ""},
		{"", "3001234567 (+57)", colombia},
	} {
		if got, ok := Join(c.code, c.text); got != c.want || ok != (c.want != "") {
			t.Errorf("%s and %s: got %q, want %q", c.code, c.text, got, c.want)
		}
	}
}

// TestCommas: a comma that groups digits by thousands is none of a list.
func TestCommas(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Seen
	}{
		{"thousands", "at 3,001,234,567!", Rest},
		{"sentence", "at 3,001,234,567, or", Rest},
		{"list-of-two", "3,001,234,567 3001234567", Rest},
		{"behind-an-amount", "paid 200,300 123 4567", Rest},
		{"behind-amounts", "paid 1,200,300 123 4567", Rest},
		{"before-an-amount", "x 300 123 4567 1,200", Rest},
		{"list-json", "[300,123,456,7]", 0},
		{"list-blanks", "3, 001, 234, 567", 0},
		{"list-wrong-group", "3,001,234,567,89", 0},
		{"list-long-beginning", "3001,234,567", 0},
		{"list-long-end", "3,001,234,5670", 0},
		{"list-codes", "57,3,001,234,567", 0},
		{"list-that-is-an-amount", "[573,001,234,567]", Whole},
		{"amount", "573,001,234,567", Whole},
		{"end-of-an-amount", "1,573,001,234,567", 0},
		{"beginning-of-an-amount", "3,001,234,567,000", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Seek(colombia).In([]byte(c.text)); got != c.want {
				t.Errorf("%q: got %b, want %b", c.text, got, c.want)
			}
			var s Set
			s.Add("3001234567")
			if got := s.Hide(c.text); Seek(colombia).In([]byte(got)) != 0 {
				t.Errorf("%q is shown as %q", c.text, got)
			}
		})
	}
	if got := Seek("+376312345").In([]byte("[5,312,345]")); got != 0 {
		t.Errorf("part of an amount: got %b", got)
	}
	for text, want := range map[string]string{"3,001,234,567": colombia, "3,001,234,567.0": colombia, "300,123,4567": "", "3001,234,567": "", ",3,001,234,567": "", "3,001,234,567,": "", "3, 001, 234, 567": "", "3,,001,234,567": "", "3,001,234,56": ""} {
		if got, ok := Join("57", text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got, ok := Join("1,809", "5550123"); ok {
		t.Errorf("an amount as a code: got %q", got)
	}
	var s Set
	s.Add("200,300 123 4567 (+57)")
	if got := s.Hide("x3001234567y"); got != "x********67y" {
		t.Errorf("a number behind an amount is shown: %q", got)
	}
}

func TestNationalSpellings(t *testing.T) {
	for _, c := range nationals {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := Join(c.code, c.text); got != c.number || !ok {
				t.Errorf("%s %s: got %q, want %s", c.code, c.text, got, c.number)
			}
			var found Seen
			for _, field := range []string{"country_code: " + c.code, "x " + c.text + " y"} {
				found |= Seek(c.number).In([]byte(field))
			}
			found |= Seek(c.number).In([]byte("country_code: " + c.code + ", cellphone: " + c.text))
			if found != Apart && found&Whole == 0 {
				t.Errorf("%s and %s apart: %b", c.code, c.text, found)
			}
			for _, known := range []string{c.text, c.number} {
				var s Set
				s.Add(known)
				for _, text := range []string{c.text, c.number[1:], strings.ReplaceAll(c.text, " ", "\u2011")} {
					got := s.Hide("x " + text + " y")
					if Seek(c.number).In([]byte(got))&(Whole|Rest) != 0 {
						t.Errorf("%s is known, and %s is shown as %q", known, text, got)
					}
				}
			}
		})
	}
}

// TestNoNumber: what is none is not read, and what is another number is not found.
func TestNoNumber(t *testing.T) {
	for _, text := range []string{"", "+", "12", "unknown", "+57 300 CALL", "+0573001234", "+1234567890123456", "3001234567 ext 5", "+57,3001234567", "+573001234567.5", "+573001234567.10", "+5.7300123e11", "5.73001234567e9", "+57 300 $1234567", "+44 0 07911 123456"} {
		if got, ok := Parse(text); ok {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	for _, c := range [][2]string{{"", "3001234567"}, {"57", ""}, {"57", "3001234567.5"}, {"CO", "3001234567"}, {"0", "3001234567"}, {"57", "unknown"}, {"57", "31612345670000000"}, {"57300", "1234567"}, {"tel:57", "3001234567"}, {"683", "4002"}, {"2", "0123456789"}, {"110", "0100"}} {
		if got, ok := Join(c[0], c[1]); ok {
			t.Errorf("%q is joined to %s", c, got)
		}
	}
	for _, text := range []string{"+5730012345678", "+1573001234567", "9573001234567000", "+573001234568", "+57300123456", "3001234567", "57 300 1234", "+57 300:1234567"} {
		if seen(colombia, text) {
			t.Errorf("found in %q", text)
		}
	}
	for text, want := range map[string]Seen{
		"10:57:00": 0, "1,57": 0, "1;57;3001234567": Apart, "T57:01": 0,
		// What says that digits are the code of a country.
		"+57": Code, "0057": Code, `"57","3001234567"`: Apart, "country_code=57": Code, "country_code:" + strings.Repeat(" \ufffd", 100) + "57": Code, "+57" + strings.Repeat(",", 300) + "3001234567": Apart,
		`{"country_code": "57"}`: Code, `{\"country_code\":57`: Code,
		"Country-Code: 57": Code, `{"countryCode":57.0`: Code, `"key":"country","type":"string","value":"57"`: Code, "<country>57<": Code,
		"indicativo 57": Code, "código de país: “57”": Code, "tel:3001234567;phone-context=+57": Apart, `name="country_code"` + "\r\n\r\n57\r\n": Code,
		// And what does not.
		"57": 0, "x57y": 0, "57 items": 0, "a=57&b=3001234567": Rest, `{"n":57,"cellphone":"3001234567"}`: Rest, "Content-Length: 57": 0,
		`{"country_code":"1","n":57,"cellphone":"3001234567"}`: Rest, `{"country_code":"1","cellphone":"3001234567","text":"+57 for that"}`: Rest,
		`{"key":"country_code","value":"1"},{"key":"age","value":"57"}`: 0, `{"status_code":57}`: 0,
	} {
		if got := Seek(colombia).In([]byte(text)); got != want {
			t.Errorf("%q: got %b, want %b", text, got, want)
		}
	}
}

// TestTwoWays: where a number has two ways, both are of one person.
func TestTwoWays(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"argentina", argentina, "+541123456789", true},
		{"argentina-three", "+5493511234567", "+543511234567", true},
		{"argentina-other", argentina, "+541123456788", false},
		{"brazil", "+5521987654321", "+552187654321", true},
		{"brazil-fixed", "+5521934567890", "+552134567890", false},
		{"colombia", colombia, "+573001234568", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
				if got := Seek(pair[0]).Is(pair[1]); got != c.want {
					t.Errorf("%s is %s: got %v", pair[0], pair[1], got)
				}
				for _, text := range []string{"call " + pair[1], "call 00" + pair[1][1:], "country_code: " + pair[1][1:3] + ", cellphone: " + pair[1][3:]} {
					if got := Seek(pair[0]).In([]byte(text)); (got&Whole != 0 || got == Apart) != c.want {
						t.Errorf("%s in %q: got %b", pair[0], text, got)
					}
				}
				var s Set
				s.Add(pair[0])
				if got := s.Hide("x" + pair[1][3:]); c.want && strings.Contains(got, "8765432") || c.want && strings.Contains(got, "345678") {
					t.Errorf("%s is known, and %s shown as %s", pair[0], pair[1], got)
				}
			}
		})
	}
	for _, text := range []string{"011 15 2345 6789", "0111523456789", "54 11 15 23456789", "9 11 15 2345 6789", "1123456789"} {
		for _, number := range []string{argentina, "+541123456789"} {
			if Seek(number).In([]byte("at "+text))&(Whole|Rest) == 0 {
				t.Errorf("%s is not found in %q", number, text)
			}
		}
	}
}

// TestContradiction: a plus in front of digits that may be a national number is no reason
// to take them for one of another country.
func TestContradiction(t *testing.T) {
	for _, c := range []struct {
		name, code, text, want string
		agrees                 bool
	}{
		{"colombia", "57", "+3001234567", "", false},
		{"colombia-zeros", "57", "00 3001234567", "", false},
		{"colombia-link", "+57", "wa.me/3001234567", "", false},
		{"colombia-old-belgium", "57", "+3212345678", "", false},
		{"mexico", "52", "+15512345678", "", false},
		{"mexico-short", "57", "+5212345678", "", false},
		{"argentina", "54", "+1123456789", "", false},
		{"peru", "51", "+987654321", "", false},
		{"not-known", "44", "+4512345678", "", false},
		{"spain", "57", "+34 612 345 678", "+34612345678", false},
		{"america", "57", "+1 202 555 0123", "+12025550123", false},
		{"britain", "1", "+44 (0)7911 123456", britain, false},
		{"agrees", "57", "+57 300 1234567", colombia, true},
		{"area-in-code", "1809", "+1 809 555 0123", "+18095550123", true},
		{"code-of-area", "1", "+1 809 555 0123", "+18095550123", true},
		{"no-code", "", "+34612345678", "+34612345678", true},
		{"no-code-in-digits", "CO", "+34612345678", "+34612345678", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Join(c.code, c.text)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if ok && Agrees(c.code, got) != c.agrees {
				t.Errorf("agrees: got %v", !c.agrees)
			}
		})
	}
}

func TestHide(t *testing.T) {
	for _, c := range []struct{ name, known, text, want string }{
		{"known", "3001234567", "at 300 123-4567!", "at *** ***-**67!"},
		{"known-thousands", "3001234567", "3,001,234,567 [300,123,456]", "*,***,***,*67 [300,123,456]"},
		{"code-behind", "", "300 123-4567 (+57) and 3001234567 +1", "*** ***-**67 (+57) and ********67 +1"},
		{"known-code-behind", "300 123 4567 (+57)", "3001234567", "********67"},
		{"amount", "", "1,234,567,890 and 1,234,567 - 01", "1,234,567,890 and 1,234,567 - 01"},
		{"time-zone", "", "2026-01-02 03:04:05.678901 +1030", "2026-01-02 03:04:05.678901 +1030"},
		{"in-longer", "3001234567", "x573001234567", "x57********67"},
		{"marked", "", "+44 20 7946 0958!", "+** ** **** **58!"},
		{"two-marked", "", "+573001234567/+573109876543", "+**********67/+**********43"},
		{"two-known", "3001234567, 310 987 6543", "3001234567 3109876543", "********67 ********43"},
		{"wide", "", "＋５７３００１２３４５６７", "＋**********６７"},
		{"escaped", "3001234567", `\u0033001234567 %33001234567`, "********67 ********67"},
		{"decimal", "", "4.001234567 and 0.00012345678", "4.001234567 and 0.00012345678"},
		{"zeros", "", "0057 300 1234567", "**** *** *****67"},
		{"short", "123", "123 and +123", "123 and +123"},
		{"nothing", "", "2026-01-02 03:04:05.678901, 34820, a%b\\c\xff", "2026-01-02 03:04:05.678901, 34820, a%b\\c\xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Set
			s.Add(c.known)
			if got := s.Hide(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for text, want := range map[string]string{"a 573001234567 x 12": "a **********67 x 12", "/%2B57%20300%201234567": "/%2B**%20***%*******67", "123456": "123456"} {
		if got := HideLong(text); got != want {
			t.Errorf("long: got %q, want %q", got, want)
		}
	}
	for text, want := range map[string]string{"1 2 3 4": "* * 3 4", "x": "x", `\u0031\u0032\u0033`: `*\u****\u**33`, "%D9%A1%D9%A2%D9%A3": "*%D*%A*%D9%A3"} {
		if got := HideAll(text); got != want {
			t.Errorf("all: got %q, want %q", got, want)
		}
	}
}

// TestDigits holds what digitValue rests on.
func TestDigits(t *testing.T) {
	for _, g := range unicode.Nd.R16 {
		if g.Stride != 1 || (g.Hi-g.Lo+1)%10 != 0 {
			t.Errorf("%x to %x are no whole sets of digits", g.Lo, g.Hi)
		}
	}
	for _, g := range unicode.Nd.R32 {
		if g.Stride != 1 || (g.Hi-g.Lo+1)%10 != 0 {
			t.Errorf("%x to %x are no whole sets of digits", g.Lo, g.Hi)
		}
	}
	for r, want := range map[rune]string{
		'٣': "3", '९': "9", '０': "0", '𝟗': "9", '𝟎': "0", '𝟘': "0", '𝟡': "9", '7': "7",
		'²': "2", '¹': "1", '⁰': "0", '⁹': "9", '₀': "0", '①': "1", '⑨': "9", '⑩': "10", '⑳': "20", '⓪': "0", '⓫': "11", '⓴': "20",
		'⓿': "0", '⑴': "1", '⒈': "1", '⒛': "20", '❶': "1", '❿': "10", '➀': "1", '➓': "10", '㉑': "21", '㉟': "35", '㊱': "36", '㊿': "50",
		'🄀': "0", '🄁': "0", '🄊': "9", '🄋': "0",
	} {
		if c, got, _ := characterAt([]byte(string(r))); c != isDigit || got != want {
			t.Errorf("%c: got %q", r, got)
		}
	}
}

// TestForms holds that the table of digits in other forms has all of each series: in
// these blocks there are no other numbers than they, but for fractions.
func TestForms(t *testing.T) {
	for _, block := range [][2]rune{{0xb2, 0xb3}, {0xb9, 0xb9}, {0x2070, 0x209f}, {0x2460, 0x24ff}, {0x2776, 0x2793}, {0x3250, 0x325f}, {0x32b1, 0x32bf}, {0x1f100, 0x1f10c}} {
		for r := block[0]; r <= block[1]; r++ {
			if unicode.Is(unicode.No, r) != (digitsOf(r) != "") {
				t.Errorf("%U %c: got %q", r, r, digitsOf(r))
			}
		}
	}
	for _, f := range forms {
		for r := f.from; r <= f.to; r++ {
			if !unicode.Is(unicode.No, r) || f.value+int(r-f.from) > 50 {
				t.Errorf("%U is no number, or a large one", r)
			}
		}
	}
}

// TestSteps: the work grows with the text, whatever stands in it.
func TestSteps(t *testing.T) {
	var many Set
	for i := range 20_000 {
		many.Add(fmt.Sprintf("+57300%07d", i))
	}
	for name, text := range map[string]string{
		"again-and-again": "57 300 1234 ", "digits": "5", "blocks": "5 ", "begins": "573001234 57300 ", "pluses": "+", "plus-digits": "+5",
		"zeros": "00 ", "zeros-joined": "0", "backslashes": `\`, "escapes": `\u0035`, "percents": "%25", "percent-digits": "%2535", "entities": "&#53;", "names": "&nbsp;", "no-names": "&aaaaaaaa", "ampersands": "&", "numbers": "&#", "zeros-in-entities": "&#x00000",
		"nests": "&amp;amp;#37;2535", "codes": "57,", "code-and-rests": "57,,,,3001234568,", "circled-codes": "⑩,", "long-codes": "0000000000000000000000057,", "named-code": "value,value,57,", "keys": `country_code:5,`, "circled": "⑩", "bold": "*5*",
		"commas": "5,", "thousands": "123,", "amounts": "1,234,567 ", "codes-behind": "3001234568 +57 ", "codes-behind-joined": "3001234568+57",
		"marks":  "5\u200b",
		"dashes": "5\u2011", "whole": "+573001234567 ", "words": "how are you? ", "link": "wa.me/5 tel:", "known": "3000001234",
	} {
		t.Run(name, func(t *testing.T) {
			steps := func(n int) (in, hide int) {
				text := strings.Repeat(text, n)
				for _, r := range Readings([]byte(text)) {
					_, more := Seek("+573001234568").in(r)
					in += more
				}
				_, hide = many.hide(text, false)
				return in, hide
			}
			in, hide := steps(1000)
			in4, hide4 := steps(4000)
			if in4 > 5*in || hide4 > 5*hide || in4 > 300*4000*len(text) || hide4 > 30*4000*len(text) {
				t.Errorf("four times the text: %d steps and then %d to find, %d and then %d to hide", in, in4, hide, hide4)
			}
		})
	}
}

// FuzzSpelling: a number that is spelled with any separators and digits is read, found
// and hidden.
func FuzzSpelling(f *testing.F) {
	f.Add(uint64(573001234567), "- ", "\u202f\u2011", "", uint8(0))
	f.Add(uint64(447911123456), "(", ")", "%E2", uint8(1))
	f.Add(uint64(393331234567), "\u2066", "/", `\u00`, uint8(7))
	f.Fuzz(func(t *testing.T, n uint64, a, b, around string, script uint8) {
		number, ok := Parse(fmt.Sprint(n % 1e15))
		if !ok {
			t.Skip()
		}
		if again, _ := Parse(number); again != number {
			t.Errorf("%s is read as %q", number, again)
		}
		between := func(s string) string {
			visible := 0
			return strings.Map(func(r rune) rune {
				switch c, _, _ := characterAt([]byte(string(r))); c {
				case separator:
					if visible++; visible < 100 && !strings.ContainsRune(points, r) {
						return r
					}
				case ignored:
					return r
				}
				return -1
			}, s)
		}
		a, b = between(a), between(b)
		zeros := []rune("0٠०০０𝟎")
		zero := zeros[int(script)%len(zeros)]
		spelled := "+"
		for i, d := range number[1:] {
			spelled += string(zero + d - '0')
			if i == len(number)/2 {
				spelled += a
			} else if i%3 == 1 && i < len(number)-2 {
				spelled += b
			}
		}
		if got, ok := Parse(spelled); got != number || !ok {
			t.Errorf("read %q: got %q, want %s", spelled, got, number)
		}
		text := around + "|" + spelled + "|" + around
		if !seen(number, text) {
			t.Errorf("%s is not found in %q", number, text)
		}
		var s Set
		if got := s.Hide("|" + spelled + "|"); seen(number, got) {
			t.Errorf("%s is not hidden in %q: %q", number, text, got)
		}
		for name, hide := range map[string]func(string) string{"long": HideLong, "all": HideAll} {
			if got := hide(text); seen(number, got) {
				t.Errorf("%s: %s is not hidden in %q: %q", name, number, text, got)
			}
		}
		country := countryOf(number[1:])
		rest := number[1+len(country):]
		behind := rest[:2] + a + rest[2:] + b + "+" + country
		if got, ok := Join(country, behind); ok && got != number {
			t.Errorf("read %q behind %s: got %q, want %s", behind, country, got, number)
		}
		if got := s.Hide("|" + behind + "|"); !seen(number, "|"+behind+"|") || seen(number, got) {
			t.Errorf("%s is not found in %q, or not hidden: %q", number, behind, got)
		}
		s.Add(around)
		s.Hide(text) // must not panic
	})
}

// BenchmarkFind measures a text without the number.
func BenchmarkFind(b *testing.B) {
	text := []byte(strings.Repeat("how are you? 57 300 1234 ", 80_000)) // 2 MB
	s := Seek(colombia)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if s.In(text)&Whole != 0 {
			b.Fatal("found")
		}
	}
}

// BenchmarkHide measures a text where hundreds of thousands of numbers are known.
func BenchmarkHide(b *testing.B) {
	var s Set
	for i := range 300_000 {
		s.Add(fmt.Sprintf("57%010d", i*7919))
	}
	text := strings.Repeat("how are you? 57 300 1234 ", 80_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Hide(text)
	}
}

// TestPlain holds the short way of what Treble sends to the long one.
func TestPlain(t *testing.T) {
	for _, s := range []string{"", "+", "0", "00", "000", "+00", "57", "+57", "0057", "3001234567", "+573001234567", "00573001234567", "+0", "1809"} {
		digits, international, ok := plain(s)
		if !ok {
			if s != "" && s != "+" {
				t.Errorf("%q is not plain", s)
			}
			continue
		}
		long, fine := onlyNumber([]byte(s))
		if digits != long.digits || international != long.international || len(long.gaps) > 0 || !fine {
			t.Errorf("%q: got %q %v, want %+v", s, digits, international, long)
		}
	}
}
