// Package schematest makes valid events for the tests of consumers. They come
// out of the parser of package schema, so an event is what a bridge would
// publish for the body that Treble would send: normalised fields, raw, id and
// all. It imports nothing but the standard library and schema.
//
// [Event] makes an event of a kind with every field that Treble documents for
// it. The same arguments give the same bytes; another [Seed] gives another event.
//
// [Golden] has envelopes of the bodies in Treble's documentation, one a file,
// for tests in any language.
package schematest
