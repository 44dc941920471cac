// Package delivery reads what Treble sends. A delivery is one HTTP request of Treble; its
// body becomes the events that package schema describes, or a rejection that says what
// is wrong with it.
//
// [Parser.Parse] is the whole of it. It does not fail, and it does not need to know where
// a body comes from or where its events go. The package also has the errors with which a
// publisher answers the ingress, so that neither of the two needs to know the other.
package delivery
