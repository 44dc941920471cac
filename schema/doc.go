// Package schema defines the vocabulary of treble-bridge: the kinds of event that
// Treble's webhooks report, and the envelope in which the bridge publishes them to
// NATS. Package delivery reads them out of what Treble sends. It imports nothing
// but the standard library, so a consumer that imports it pulls in nothing
// else. A consumer needs three things of it: the subjects ([Prefix.Subject]),
// [Decode], and the payload types.
//
// # Envelope
//
// A message is a CloudEvents 1.0 event in structured JSON:
//
//	{
//	  "specversion": "1.0",
//	  "id": "ygsrdoewouyedn3pr3ijbnogcy",
//	  "source": "/treble/default",
//	  "type": "ai.treble.message.read",
//	  "subject": "d2fa98d2…",
//	  "time": "2021-06-22T15:19:08Z",
//	  "datacontenttype": "application/json",
//	  "dataschema": "urn:treble-bridge:message.read:1",
//	  "receivedtime": "2021-06-22T15:19:09.1Z",
//	  "dedupekey": "content",
//	  "data": {"session_id": "d2fa98d2…", …, "raw": {…}}
//	}
//
// The subject is Treble's session id and absent where there is none. The time
// is when the thing happened by Treble's clock, or receivedtime where Treble
// does not say. data has the normalised fields, warnings where something was
// missing or could not be read, and raw, the value as it was received, byte for
// byte. Nothing is dropped: a field that this package does not know is in raw.
//
// # Versions
//
// The 1 at the end of dataschema is the version of a kind. Within it fields,
// headers, kinds and reasons may be added, open sets of values may grow, what was
// not read may be read, and what was unrecognized may become a kind. Nothing is
// removed, renamed, or given another type or meaning; subjects and the way in
// which ids are made stay. So readers ignore what they do not know, and [Decode]
// does: new fields are ignored, and an event of an unknown kind is an
// [*Unrecognized] with what all kinds have in common.
//
// There is no version 2. If one comes, it has subjects and a stream of its own
// ("treble-v2.message.read"), is published side by side with version 1 under the
// same type and id, and has a dataschema that ends in ":2". Decode refuses that
// with [ErrVersion], rather than to misread it.
//
// # Documents
//
// [JSONSchema], [EnvelopeSchema] and [AsyncAPI] are the same for readers in other
// languages. They are made from the types of this package by "go generate", and
// tests hold them against the types and against events. Package schematest makes
// events for the tests of consumers.
//
// # Identity
//
// Treble documents no retries and gives most events no id of their own. The id
// is the first 128 bits of a SHA-256 sum, in lower-case base32, over four
// parts, each of the first three followed by a line feed: the name of the
// source, the kind, the position if the event stood in an array (decimal, from
// 0; empty if not), and the received value without insignificant white space.
// So a delivery that is repeated byte for byte has the same id, and events with
// the same id have the same body. An event that has neither an event_id nor a
// time of its own may honestly occur twice with the same body; its id is random
// and its dedupekey is "none".
package schema
