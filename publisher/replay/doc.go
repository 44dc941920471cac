// Package replay publishes events of the event stream once more: to a stream, to
// an HTTP endpoint or to a file.
//
// # Exactly once into a stream
//
// Messages are published in order, with many PubAcks in flight. A run's audit
// record holds a checkpoint, written about every second: up to which sequence of
// the event stream everything is acknowledged (S), and a sequence of the target
// below which nothing lies of what the run published behind S (T).
//
// There is one way to begin, to go on after kill -9, and to mend a publish that
// failed or whose outcome is unknown: a pass. It makes sure that the run is still
// ours, reads what the target has of the run from T on (headers only), and
// publishes from S on what is missing there. So nothing is stored twice however
// much later a run is resumed. Nats-Msg-Id, "<run>.<sequence>", covers what was
// still on its way to the server while the target was read.
//
// "The last stored sequence" alone would not do: with many in flight the target
// may have refused one and stored those behind it.
//
// T must be right though events are stored out of order after such a gap was
// filled. At most maxAhead events are published beyond the checkpoint that is on
// record, so what an earlier pass left behind S is among the first maxAhead events
// of this one; T stays where it is until they are settled. From then on all behind
// S was published by this pass alone, in order, so the acknowledged sequence of S
// is T.
//
// # One process for a run
//
// Each write of the record asks for the revision of the write before. A process
// that finds another one's stops. A record that was written a moment ago belongs to
// a process that lives, and is not taken over.
package replay
