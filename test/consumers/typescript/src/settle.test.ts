import type { JsMsg } from "@nats-io/jetstream";
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "./settle.js";
import { Poison } from "./work.js";

const event = JSON.stringify({ specversion: "1.0", type: "ai.treble.message.read", id: "a", data: { raw: {} } });

/** A message that notes what the server is told. */
function message(body: string, deliveryCount = 1): { msg: JsMsg; told: unknown[][] } {
  const told: unknown[][] = [];
  const msg = {
    seq: 7,
    info: { deliveryCount },
    string: () => body,
    ack: () => told.push(["ack"]),
    nak: (...args: unknown[]) => told.push(["nak", ...args]),
    term: (...args: unknown[]) => told.push(["term", ...args]),
  };
  return { msg: msg as unknown as JsMsg, told };
}

test("work that succeeds is acknowledged", async () => {
  const { msg, told } = message(event);
  const outcome = await settle(msg, async () => "done");
  assert.deepEqual(told, [["ack"]]);
  assert.deepEqual(outcome, { sequence: 7, kind: "message.read", id: "a", answer: "ack", note: "done" });
});

test("work that fails comes again, later each time", async () => {
  for (const [deliveries, delay] of [[1, 1_000], [3, 4_000], [60, 300_000]] as const) {
    const { msg, told } = message(event, deliveries);
    await settle(msg, () => Promise.reject(new Error("the database is away")));
    assert.deepEqual(told, [["nak", delay]]);
  }
});

test("poison does not come again", async () => {
  const { msg, told } = message(event);
  await settle(msg, () => Promise.reject(new Poison("no such customer")));
  assert.deepEqual(told, [["term", "poison"]]);
});

test("what is no event does not come again, and is not quoted", async () => {
  for (const body of ["+573001234567", "null", "{}", event.replace("1.0", "9.0"), ""]) {
    const { msg, told } = message(body);
    const outcome = await settle(msg, async () => "done");
    assert.deepEqual(told, [["term", "not an event"]]);
    assert.equal(outcome.note.includes("57300"), false);
  }
});
