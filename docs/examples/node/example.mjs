// Redelivery, dead letters and a restart, with nats.js and a server whose time is moved by a message.
//
//     jetlag serve --port 4222 --insecure-control &
//     npm install
//     NATS_URL=nats://127.0.0.1:4222 node example.mjs

import assert from "node:assert/strict";
import process from "node:process";

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, nanos } from "@nats-io/transport-node";

const nc = await connect({ servers: process.env.NATS_URL, reconnectTimeWait: 100, maxReconnectAttempts: -1 });

// The controls of the server, over the test's own connection.
async function control(name, payload = "") {
  const answer = (await nc.request(`$JETLAG.${name}`, payload, { timeout: 5000 })).json();
  if (answer.error) throw new Error(`${name} ${payload}: ${answer.error.description}`);
  return answer;
}

// Everything that is due by then has happened when this resolves.
const advance = (by) => control("CLOCK.ADVANCE", by);

// A stream with one message, and a durable pull consumer with ack_wait 30 s.
async function setUp(name, maxDeliver) {
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name, subjects: [`${name}.>`] });
  await jsm.consumers.add(name, {
    durable_name: "work",
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(30_000),
    max_deliver: maxDeliver,
  });
  const js = jetstream(nc);
  await js.publish(`${name}.1`, "an order");
  return { js, jsm, work: await js.consumers.get(name, "work") };
}

// The next message, or null when there is none for a second.
const next = (work) => work.next({ expires: 1000 });

// An acknowledgement is lost: the message comes again after ack_wait, and not before.
async function redelivery() {
  const { work } = await setUp("redelivery", 5);
  await control("FAULT.ADD", "fault lost-ack drop kind=ack stream=redelivery");

  (await next(work)).ack();
  await control("FAULT.WAIT", "lost-ack");

  await advance("28s");
  assert.equal(await next(work), null, "it came again before ack_wait was over");
  await advance("1s");
  const again = await next(work);
  assert.equal(again.info.deliveryCount, 2);
  await control("FAULT.CLEAR", "lost-ack");
  assert.ok(await again.ackAck());
  console.log("redelivery: a lost ack brought the message back after 30 s");
}

// A message nobody can handle: three attempts, one advisory, and a copy where somebody looks.
async function deadLetter() {
  const { js, jsm, work } = await setUp("deadletter", 3);
  await jsm.streams.add({ name: "dlq", subjects: ["dlq.>"] });
  const advisories = nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.deadletter.work", { max: 1 });

  for (const attempt of [1, 2, 3]) {
    const message = await next(work);
    assert.equal(message.info.deliveryCount, attempt);
    message.nak();
  }
  // The server notices that the attempts are used up when somebody asks for the next message.
  assert.equal(await next(work), null, "there was a fourth attempt");
  const { value: advisory } = await advisories[Symbol.asyncIterator]().next();
  const { stream, stream_seq, deliveries } = advisory.json();
  assert.equal(deliveries, 3);

  // The advisory points at the message, which is still in its stream.
  const dead = await jsm.streams.getMessage(stream, { seq: stream_seq });
  const original = headers();
  original.set("Original-Subject", dead.subject);
  await js.publish("dlq.deadletter", dead.data, { headers: original });
  const letter = await jsm.streams.getMessage("dlq", { last_by_subj: "dlq.>" });
  assert.equal(letter.string(), "an order");
  console.log("dead letter: three attempts, one advisory, and the message is in the dead letter stream");
}

// The server restarts with a message unacknowledged: it comes again, and its count goes on.
async function restart() {
  const { work } = await setUp("restart", 5);
  assert.equal((await next(work)).info.deliveryCount, 1);

  const back = (async () => {
    for await (const status of nc.status()) if (status.type === "reconnect") return;
  })();
  await control("SERVER.RESTART", "0s");
  await back;

  await advance("30s");
  const again = await next(work);
  assert.equal(again.info.deliveryCount, 2);
  assert.ok(await again.ackAck());
  console.log("restart: the unacknowledged message came again after the server was back");
}

await redelivery();
await deadLetter();
await restart();
await nc.close();
