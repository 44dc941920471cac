package phone

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is the role of a character in a number.
type class int

const (
	other     class = iota // ends the number
	isDigit                // is part of it
	isPlus                 // may begin it, or a country code behind it, or be a blank of a URL between two digits
	separator              // may stand between two digits
	ignored                // likewise, and is not seen: format characters, fillers, accents
)

// decimals are the digits that characters stand for.
const decimals = "0123456789"

// characterAt reads the character that text begins with: its class, the digits that it stands
// for, of '0' to '9', and its length in bytes. A character such as ⑩ stands for two.
func characterAt(text []byte) (c class, digits string, n int) {
	if b := text[0]; b < utf8.RuneSelf {
		if '0' <= b && b <= '9' {
			return isDigit, decimals[b-'0' : b-'0'+1], 1
		}
		return ascii[b], "", 1
	}
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError {
		// Of another encoding, in which it may be a blank or a dash; or what raw has in its
		// place.
		return separator, "", n
	}
	if d := digitsOf(r); d != "" {
		return isDigit, d, n
	}
	return classOf(r), "", n
}

// ascii are the classes of the ASCII characters but for the digits.
var ascii = func() (classes [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		classes[r] = classOf(r)
	}
	return classes
}()

// pluses are the plus and the characters that Unicode takes for the same in another form.
const pluses = "+\u207a\u208a\ufb29\ufe62\uff0b"

// asSeparators are characters that are written for a dash, as in Japan, or for a blank.
const asSeparators = "\u30fc\uff70"

// structure has the delimiters of lists, times, links and JSON. All other marks may stand
// in a number: what people put around or between its parts has no end (bold as WhatsApp
// writes it, bars, emoji).
const structure = `!"#%&,:;=?@\`

func classOf(r rune) class {
	for _, p := range pluses {
		if r == p {
			return isPlus
		}
	}
	switch {
	case strings.ContainsRune(structure, r):
		return other
	case strings.ContainsRune(asSeparators, r), unicode.IsSpace(r):
		return separator
	case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point):
		return ignored
	case unicode.In(r, unicode.L, unicode.N, unicode.Mc, unicode.Sc):
		return other // words, other numbers, and amounts of money
	}
	return separator
}

// digitsOf returns what a character stands for that is a decimal digit of any script, or one
// in another form, as digits of ASCII; else "".
func digitsOf(r rune) string {
	if unicode.Is(unicode.Nd, r) {
		// Each range begins with a zero and has all ten digits, of one script after another.
		for _, g := range unicode.Nd.R16 {
			if rune(g.Lo) <= r && r <= rune(g.Hi) {
				v := (r - rune(g.Lo)) % 10
				return decimals[v : v+1]
			}
		}
		for _, g := range unicode.Nd.R32 {
			if rune(g.Lo) <= r && r <= rune(g.Hi) {
				v := (r - rune(g.Lo)) % 10
				return decimals[v : v+1]
			}
		}
	}
	if !unicode.Is(unicode.No, r) {
		return ""
	}
	for _, f := range forms {
		if f.from <= r && r <= f.to {
			v := f.value + int(r-f.from)
			if v < 10 {
				return decimals[v : v+1]
			}
			return strconv.Itoa(v) // below 100 it takes no memory
		}
	}
	return ""
}

// forms are digits in another form than a decimal one: raised, lowered, in circles and
// brackets, and the numbers above nine of such series. They are what Unicode gives the
// property Numeric_Type=Digit, and the series that go on behind them; TestForms holds
// that no series is cut short.
var forms = []struct {
	from, to rune
	value    int // of from; those behind it count up
}{
	{0xb2, 0xb3, 2}, {0xb9, 0xb9, 1}, {0x2070, 0x2070, 0}, {0x2074, 0x2079, 4}, // raised
	{0x2080, 0x2089, 0},                                            // lowered
	{0x2460, 0x2473, 1}, {0x24ea, 0x24ea, 0}, {0x24eb, 0x24f4, 11}, // in circles
	{0x24f5, 0x24fe, 1}, {0x24ff, 0x24ff, 0},
	{0x2474, 0x2487, 1},                                               // in brackets
	{0x2488, 0x249b, 1}, {0x1f100, 0x1f100, 0}, {0x1f101, 0x1f10a, 0}, // with a full stop or a comma
	{0x2776, 0x277f, 1}, {0x2780, 0x2789, 1}, {0x278a, 0x2793, 1}, {0x1f10b, 0x1f10b, 0}, {0x1f10c, 0x1f10c, 0}, // dingbats
	{0x3251, 0x325f, 21}, {0x32b1, 0x32bf, 36}, // in circles, up to 50
	{0x1369, 0x1371, 1}, {0x19da, 0x19da, 1}, {0x10a40, 0x10a43, 1}, {0x10e60, 0x10e68, 1}, {0x11052, 0x1105a, 1}, // of other scripts
}
