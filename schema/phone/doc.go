// Package phone reads telephone numbers, finds them in text, and hides them there,
// however they are written. It is the one place that knows what may stand between two
// digits, so that what is normalised, what is hidden and what is deleted are the same
// numbers.
//
// Digits are the decimal digits of every script. Between two digits may stand blanks,
// dashes, brackets, quotation marks and format characters of every kind (by their Unicode
// categories), dots and slashes. Prefixes that are dialled and are no part of the number
// are known by country: +44 (0)7911 123456 is +447911123456. A text may be escaped, as
// JSON (\u202f) and URLs (%2B) do it, several times over.
//
// All of it takes time in proportion to the length of the text. Its functions may be
// called at the same time.
package phone
