// Reads the events of treble-bridge with a durable consumer, and prints a line of
// JSON about each. SIGINT or SIGTERM ends it when the message at work is settled.
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { settle } from "./settle.js";
import { work } from "./work.js";

const { NATS_URL = "nats://127.0.0.1:4222", NATS_TOKEN, STREAM = "TREBLE", CONSUMER = "typescript" } = process.env;

const nc = await connect({
  servers: NATS_URL.split(","),
  name: CONSUMER,
  maxReconnectAttempts: -1, // for ever; the server keeps our place meanwhile
  ...(NATS_TOKEN && { token: NATS_TOKEN }),
});
const manager = await jetstreamManager(nc);
await manager.consumers.add(STREAM, {
  durable_name: CONSUMER,
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(30_000), // longer than the longest work, or call msg.working()
  max_deliver: -1, // whether to give up is decided in settle, where it can be told
  max_ack_pending: 100, // at most so many at work, in all processes together
});
const consumer = await jetstream(nc).consumers.get(STREAM, CONSUMER);
// If somebody deletes the consumer or the stream, end with an error and be started
// again, rather than wait for ever for what nobody makes.
const messages = await consumer.consume({ max_messages: 100, abort_on_missing_resource: true });

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void messages.close());
}
for await (const msg of messages) {
  console.log(JSON.stringify(await settle(msg, work)));
}
await nc.drain(); // the last answers leave
