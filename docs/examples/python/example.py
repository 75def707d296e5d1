"""Redelivery, dead letters and a restart, with nats-py and a server whose time is moved by a message.

    jetlag serve --port 4222 --insecure-control &
    pip install nats-py
    NATS_URL=nats://127.0.0.1:4222 python3 example.py
"""

import asyncio
import json
import os

import nats
from nats.errors import TimeoutError as NothingCame
from nats.js.api import AckPolicy, ConsumerConfig, StorageType


class Jetlag:
    """The controls of the server, over the test's own connection."""

    def __init__(self):
        self.back = asyncio.Event()

    async def connect(self, url):
        async def reconnected():
            self.back.set()

        async def broken(error):
            """The restart breaks the connection; nats-py would print that."""

        callbacks = {"reconnected_cb": reconnected, "error_cb": broken}
        self.nc = await nats.connect(url, reconnect_time_wait=0.1, max_reconnect_attempts=-1, **callbacks)
        return self.nc

    async def control(self, name, payload=""):
        answer = json.loads((await self.nc.request(f"$JETLAG.{name}", payload.encode())).data)
        if "error" in answer:
            raise RuntimeError(f"{name} {payload}: {answer['error']}")
        return answer

    async def advance(self, by):
        """Everything that is due by then has happened when this returns."""
        await self.control("CLOCK.ADVANCE", by)


async def set_up(nc, name, max_deliver):
    """A stream with one message, and a durable pull consumer with ack_wait 30 s."""
    js = nc.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"], storage=StorageType.FILE)
    config = ConsumerConfig(durable_name="work", ack_policy=AckPolicy.EXPLICIT, ack_wait=30, max_deliver=max_deliver)
    await js.add_consumer(name, config)
    await js.publish(f"{name}.1", b"an order")
    return js, await js.pull_subscribe_bind("work", stream=name)


async def one(subscription):
    [message] = await subscription.fetch(1, timeout=5)
    return message


async def redelivery(nc, jetlag):
    """An acknowledgement is lost: the message comes again after ack_wait, and not before."""
    _, work = await set_up(nc, "redelivery", max_deliver=5)
    await jetlag.control("FAULT.ADD", "fault lost-ack drop kind=ack stream=redelivery")

    message = await one(work)
    await message.ack()
    await jetlag.control("FAULT.WAIT", "lost-ack")

    await jetlag.advance("29s")
    try:
        await work.fetch(1, timeout=0.2)
        raise AssertionError("it came again before ack_wait was over")
    except NothingCame:
        pass
    await jetlag.advance("1s")
    message = await one(work)
    assert message.metadata.num_delivered == 2, message.metadata
    await message.ack_sync()
    await jetlag.control("FAULT.CLEAR", "lost-ack")
    print("redelivery: a lost ack brought the message back after 30 s")


async def dead_letter(nc, jetlag):
    """A message nobody can handle: three attempts, one advisory, and a copy where somebody looks."""
    js, work = await set_up(nc, "deadletter", max_deliver=3)
    await js.add_stream(name="dlq", subjects=["dlq.>"])
    advisories = await nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.deadletter.work")
    await nc.flush()

    for attempt in (1, 2, 3):
        message = await one(work)
        assert message.metadata.num_delivered == attempt
        await message.nak()
    # The server notices that the attempts are used up when somebody asks for the next message.
    try:
        await work.fetch(1, timeout=0.5)
        raise AssertionError("there was a fourth attempt")
    except NothingCame:
        pass
    advisory = json.loads((await advisories.next_msg(timeout=5)).data)
    assert advisory["deliveries"] == 3, advisory

    # The advisory points at the message, which is still in its stream.
    dead = await js.get_msg(advisory["stream"], advisory["stream_seq"])
    await js.publish("dlq.deadletter", dead.data, headers={"Original-Subject": dead.subject})
    assert (await js.get_last_msg("dlq", "dlq.>")).data == b"an order"
    print("dead letter: three attempts, one advisory, and the message is in the dead letter stream")


async def restart(nc, jetlag):
    """The server restarts with a message unacknowledged: it comes again, and its count goes on."""
    _, work = await set_up(nc, "restart", max_deliver=5)
    message = await one(work)
    assert message.metadata.num_delivered == 1

    jetlag.back.clear()
    await jetlag.control("SERVER.RESTART", "0s")
    await asyncio.wait_for(jetlag.back.wait(), timeout=10)

    await jetlag.advance("30s")
    message = await one(work)
    assert message.metadata.num_delivered == 2, message.metadata
    await message.ack_sync()
    print("restart: the unacknowledged message came again after the server was back")


async def main():
    jetlag = Jetlag()
    nc = await jetlag.connect(os.environ["NATS_URL"])
    await redelivery(nc, jetlag)
    await dead_letter(nc, jetlag)
    await restart(nc, jetlag)
    await nc.close()


asyncio.run(main())
