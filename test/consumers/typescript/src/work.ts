import { isKnown, type Envelope } from "./envelope.js";
import type { TrebleEvent } from "./events.js";

/** Thrown for an event that will never go through, however often it is tried. */
export class Poison extends Error {}

/** What this consumer does with an event. Here it returns a line about it; yours goes in its place. */
export async function work(event: Envelope): Promise<string> {
  if (!isKnown(event)) return "of a kind that this program does not know yet: left alone";
  return describe(event);
}

function describe(event: TrebleEvent): string {
  switch (event.type) {
    case "ai.treble.message.delivered":
      return `delivered at ${event.data.delivered_at ?? "?"}`;
    case "ai.treble.message.read":
      return `read at ${event.data.read_at ?? "?"}`;
    case "ai.treble.message.responded":
      return `${event.data.question?.type ?? "a"} question answered at ${event.data.responded_at ?? "?"}`;
    case "ai.treble.message.timed_out":
      return `not answered by ${event.data.timeout_at ?? "?"}`;
    case "ai.treble.contact.opted_out":
      return `opted out: ${event.data.reason ?? "?"}`;
    case "ai.treble.condition.evaluated":
      return `condition ${event.data.condition?.operator ?? "?"} on ${event.data.variable?.name ?? "?"}`;
    case "ai.treble.conversation.closed":
      return `closed at ${event.data.closed_at ?? "?"} with ${event.data.messages?.length ?? 0} messages`;
    case "ai.treble.hsm.status_changed":
      return `template ${event.data.hsm?.name ?? "?"} is ${event.data.status ?? "?"}`;
    case "ai.treble.deployment.failed":
      return `not sent: ${event.data.failure_reason ?? "?"}`;
    case "ai.treble.flow.unrecognized":
      return "something in a flow";
    case "ai.treble.unrecognized":
      return `of the type ${event.data.event_type ?? "?"}`;
    case "ai.treble.bridge.probe":
      return "the bridge tested itself";
    default: {
      const forgotten: never = event; // the compiler names a kind that has no case above
      return forgotten;
    }
  }
}
