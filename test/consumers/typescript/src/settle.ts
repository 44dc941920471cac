import type { JsMsg } from "@nats-io/jetstream";
import { decode, type Envelope } from "./envelope.js";
import { Poison } from "./work.js";

/** A line about one message: what was done, and what the server was told. */
export interface Outcome {
  sequence: number; // in the stream: enough to find the event again
  answer: "ack" | "nak" | "term";
  kind?: string;
  id?: string; // the same when the event is replayed: what to remember if you must not act twice
  replay?: string; // the run of "treble-bridge replay", if it is one
  test?: boolean; // made by "treble-bridge send"
  note: string;
}

const firstDelay = 1_000; // ms; doubles with each delivery
const maxDelay = 5 * 60_000;

/** Hands one message to work and settles it: exactly one of ack, nak and term. */
export async function settle(msg: JsMsg, work: (event: Envelope) => Promise<string>): Promise<Outcome> {
  let event: Envelope;
  try {
    event = decode(msg.string());
  } catch (err) {
    msg.term("not an event"); // it will not get better
    return { sequence: msg.seq, answer: "term", note: text(err) };
  }
  const about = {
    sequence: msg.seq,
    kind: event.type.slice("ai.treble.".length),
    id: event.id,
    ...(msg.headers?.has("Treble-Replay-Run") && { replay: msg.headers.get("Treble-Replay-Run") }),
    ...(event.data.test && { test: true }),
  };
  try {
    const note = await work(event);
    msg.ack();
    return { ...about, answer: "ack", note };
  } catch (err) {
    if (err instanceof Poison) {
      msg.term("poison"); // the event stays in the stream; its sequence is in the log
      return { ...about, answer: "term", note: text(err) };
    }
    msg.nak(Math.min(firstDelay * 2 ** (msg.info.deliveryCount - 1), maxDelay));
    return { ...about, answer: "nak", note: text(err) };
  }
}

function text(err: unknown): string {
  // JSON.parse quotes what it could not read, and that may be personal.
  return err instanceof SyntaxError ? "not JSON" : String(err);
}
