// Package phone reads telephone numbers, finds them in text, and hides them there,
// however they are written. It is the one place that knows what may stand between two
// digits, so that what is normalised, what is hidden and what is deleted are the same
// numbers.
//
// Digits are the decimal digits of every script, and those in circles, raised, lowered and
// the like. Between two digits may stand blanks and marks of every kind, as many as there
// are, but for those that lists, times, links and JSON are made of; a comma only where it
// groups digits by thousands. A plus is a blank of a URL there, or begins the country code
// that somebody wrote behind the number: what stands behind it says which. Prefixes that are
// dialled and are no part of the number are known by country: +44 (0)7911 123456 is
// +447911123456; so are numbers that are written in two ways. A text may be escaped, as
// JSON (\u202f), URLs (%2B) and HTML (&nbsp;) do it, several times over.
//
// All of it takes time in proportion to the length of the text. Its functions may be
// called at the same time.
package phone
