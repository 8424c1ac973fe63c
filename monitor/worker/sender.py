"""The worker's way out: messages are handed over at once and kept until Kafka has acknowledged them.

A producer that fails for good is replaced by a new one, which sends again what was not acknowledged. So a message
may arrive twice, and never not at all: what is sent here has an id or an offset by which readers know a repeat.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from msgspec import Struct

from monitor.config import settings
from monitor.kafka import connection
from monitor.kafka.embedded.properties import MESSAGE_BYTES
from monitor.kafka.unacknowledged import Unacknowledged
from monitor.wire import codec

log = structlog.get_logger()

ROOM_BYTES = 32 << 20
"""Bytes that may wait for their acknowledgement before the worker stops taking in more."""
EXPIRES_MS = 20_000
"""How long a producer tries to deliver a message before it is replaced."""
AGAIN_S = 0.5
REACH_S = 1.0
STOP_S = 2.0
"""How long a producer may take to deliver what it still has when it is given up."""
TOLD_EVERY = 20
"""While Kafka is away, one attempt in so many is told."""


class TooLarge(RuntimeError):
    """A message larger than any message may be; says which."""


async def why_away(kafka: settings.Kafka, error: Exception) -> str:
    """What to look at when Kafka does not answer: the port itself first, then what the client said."""
    try:
        await asyncio.to_thread(connection.reach, kafka)
    except connection.Unavailable as unavailable:
        return str(unavailable)
    return str(connection.refused(kafka, error))


class OutgoingMessage(Struct, eq=False, kw_only=True):
    """One message on its way."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    replaces: str | None = None
    """Names what the value is of: a newer value takes the place of one that is not acknowledged."""
    told: Callable[[int], None] | None = None
    """Called with the time of day, ns, when Kafka has acknowledged it."""


class KafkaSender:
    """Sends messages in order; one task hands them to the producer, which batches them by itself."""

    def __init__(self, kafka: settings.Kafka, now: Callable[[], int] = time.time_ns) -> None:
        self._kafka = kafka
        self._now = now
        self._waiting: Unacknowledged[OutgoingMessage] = Unacknowledged(ROOM_BYTES)
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._broken: BaseException | None = None
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None
        self.replaced = 0
        """Producers given up so far."""

    def reaches_kafka(self) -> bool:
        """Whether a broker takes connections now; waits for the answer, for the thread of the health server."""
        try:
            connection.reach(self._kafka, REACH_S)
        except connection.Unavailable:
            return False
        return True

    @property
    def outstanding(self) -> int:
        """Messages not yet acknowledged."""
        return len(self._waiting)

    async def start(self) -> None:
        """Connect, waiting for a broker that is away; raises `Mistaken` when a secret cannot be read."""
        self._producer = await self._connect()
        self._task = asyncio.create_task(self._deliver(), name="sender")

    async def stop(self) -> None:
        """Disconnect; what has not been acknowledged is given up (a checkpoint that covers it was not written)."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    def post(self, message: OutgoingMessage) -> int:
        """Hand over a message; answers its number. Raises `TooLarge`."""
        if len(message.value) > MESSAGE_BYTES - 1024:
            raise TooLarge(
                f"{len(message.value)} bytes for {message.topic}-{message.partition}; at most {MESSAGE_BYTES}"
            )
        number = self._waiting.add(message, len(message.value), message.replaces)
        self._queue.put_nowait(number)
        return number

    async def settled(self, upto: int | None = None) -> None:
        """Wait until everything posted so far, or up to that number, has been acknowledged."""
        last = self._waiting.added if upto is None else upto
        while not self._waiting.settled(last):
            self._changed.clear()
            await self._changed.wait()

    async def room(self) -> None:
        """Wait while too much is waiting for its acknowledgement."""
        while self._waiting.full:
            self._changed.clear()
            await self._changed.wait()

    async def failed(self) -> None:
        """Wait until no more can be sent; raises what the sending task ended with."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _deliver(self) -> None:
        while True:
            if self._broken is not None:
                await self._replace()
            number = await self._queue.get()
            message = self._waiting.get(number)
            if message is None:
                continue
            try:
                await self._hand_over(number, message)
            except KafkaError as error:
                self._broken = error

    async def _hand_over(self, number: int, message: OutgoingMessage) -> None:
        assert self._producer is not None  # noqa: S101 - set by start before this task exists
        future = await self._producer.send(
            codec.topic(self._kafka.prefix, message.topic),
            value=message.value,
            key=message.key,
            partition=message.partition,
            headers=list(message.headers),
        )
        epoch = self.replaced
        future.add_done_callback(lambda done: self._answered(number, epoch, done))

    def _answered(self, number: int, epoch: int, done: asyncio.Future[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            # what a producer already replaced says of its failures is no news
            if error is not None and epoch == self.replaced:
                self._fail(error)
            return
        self._acknowledged(number)

    def _acknowledged(self, number: int) -> None:
        message = self._waiting.acknowledge(number)
        if message is None:
            return
        self._changed.set()
        if message.told is not None:
            message.told(self._now())

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, MessageSizeTooLargeError):
            log.error("Kafka refuses a message for its size: raise max.message.bytes of the topic", error=str(error))
        if self._broken is None:
            self._broken = error
            self._queue.put_nowait(0)  # wakes the task

    async def _replace(self) -> None:
        """A new producer, and everything not acknowledged once more, in its order."""
        log.error("the producer failed, replacing it", error=repr(self._broken), unacknowledged=len(self._waiting))
        self.replaced += 1
        await self._disconnect()
        self._producer = await self._connect()
        self._broken = None
        # emptied only now: what was posted while connecting stands behind the older ones, and once
        while not self._queue.empty():
            self._queue.get_nowait()
        for number, _ in self._waiting:
            self._queue.put_nowait(number)

    async def _connect(self) -> AIOKafkaProducer:
        for attempt in itertools.count():
            producer = self._new_producer()
            try:
                await producer.start()
            except KafkaError as error:
                await producer.stop()
                if attempt % TOLD_EVERY == 0:
                    log.warning("waiting for Kafka", why=await why_away(self._kafka, error))
                await asyncio.sleep(AGAIN_S)
                continue
            return producer
        raise AssertionError("counting has no end")

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **connection.aiokafka_config(self._kafka),
            client_id="sorwatch-watch",
            acks="all",
            # order within a partition is kept without it, repeats are harmless here, and a producer that numbers
            # its batches can get into states from which it never recovers
            enable_idempotence=False,
            # what is told within so long goes out together
            linger_ms=2,
            max_batch_size=256 << 10,
            max_request_size=MESSAGE_BYTES,
            request_timeout_ms=EXPIRES_MS,
            metadata_max_age_ms=30_000,
        )

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await producer.stop()
        except (TimeoutError, KafkaError):
            # it still waits for its messages to be delivered, which is the new one's work now
            await producer._sender.close()
            await producer.client.close()
