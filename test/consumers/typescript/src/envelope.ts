import { knownTypes, type BridgeProbe, type TrebleEvent } from "./events.js";

/** What holds for an event of any kind, also of one that these types do not know yet. */
export type Envelope = Omit<TrebleEvent, "type" | "dataschema" | "data"> & {
  type: string;
  dataschema: string;
  data: BridgeProbe; // it has what is common to all, and no more
};

/** Reads a message. It throws if that is no event of treble-bridge. */
export function decode(text: string): Envelope {
  const event = JSON.parse(text) as Partial<Envelope> | null;
  if (event?.specversion !== "1.0" || !event.type?.startsWith("ai.treble.") || !event.id || !event.data) {
    throw new Error("not an event of treble-bridge");
  }
  return event as Envelope;
}

/** Tells whether the type is one that TrebleEvent knows. */
export function isKnown(event: Envelope | TrebleEvent): event is TrebleEvent {
  return knownTypes.has(event.type);
}
