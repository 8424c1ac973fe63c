"""What the worker says, out of Kafka, from the place the store names. The only file of alerts that imports aiokafka.

No consumer group: every partition is read from the offset that was kept with the effects, so there is nothing to
commit and nothing to rebalance. When Kafka is away the consumer tries again for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from alerts.service import Received
from monitor.config.settings import Kafka
from monitor.kafka.connection import aiokafka_config
from monitor.wire import codec

log = structlog.get_logger()

TOPICS = ("findings", "executions", "line", "dead_letters")
BATCH = 2_000
WAIT_MS = 200
ANSWER_MS = 8_000
"""A broker that is just starting may take a connection and not answer on it: not to be waited for long."""
LONGEST_S = 5.0
ASK_NS = 5_000_000_000
"""How often a broker that has nothing new is asked whether it is there: the library says "nothing new" without it."""
STOP_S = 5.0
STALLED_S = 30.0
"""A poll that does not come back for so long means a connection that is no more."""

Take = Callable[[list[Received]], None]
Offsets = Callable[[], dict[tuple[str, int], int]]


class NotThereYet(Exception):
    """A topic does not exist: nothing has been started that makes it."""


class FindingsConsumer:
    """Reads for ever; hands each batch to ``take``, which must keep it together with its offsets."""

    def __init__(self, kafka: Kafka, offsets: Offsets, take: Take, now: Callable[[], int]) -> None:
        self._kafka = kafka
        self._offsets = offsets
        self._take = take
        self._now = now
        self.heard_at: int | None = None
        """When Kafka last answered."""
        self.trouble: str | None = "not connected yet"

    async def run(self) -> None:
        """Connect, read, and connect again when that fails."""
        wait = 0.5
        while True:
            before = self.heard_at
            try:
                await self._connected()
            except Exception as error:  # noqa: BLE001 - whatever Kafka or the disk does, the page stays and it is tried again
                self._complain(error)
            wait = 0.5 if self.heard_at != before else min(wait * 2, LONGEST_S)
            await asyncio.sleep(wait)

    async def _connected(self) -> None:
        consumer = AIOKafkaConsumer(
            **aiokafka_config(self._kafka),
            request_timeout_ms=ANSWER_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            async with asyncio.timeout(STALLED_S):
                await consumer.start()
            parts = await self._assign(consumer)
            log.info("reading from Kafka", partitions=len(parts))
            self.trouble, answered = None, self._now()
            while True:
                answered = self.heard_at = await self._read(consumer, parts, answered)
        finally:
            await asyncio.shield(_stopped(consumer))

    async def _assign(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        names = {codec.topic(self._kafka.prefix, name): name for name in TOPICS}
        known = await self._partitions()
        missing = sorted(set(names) - set(known))
        if missing:
            raise NotThereYet(f"Kafka has no topic {', '.join(missing)}: run `sorwatch topics` or start the worker")
        parts = [TopicPartition(t, p) for t in names for p in known[t]]
        consumer.assign(parts)
        offsets = self._offsets()
        for part in parts:
            consumer.seek(part, offsets.get((names[part.topic], part.partition), 0))
        return parts

    async def _partitions(self) -> dict[str, list[int]]:
        """Partitions of every topic; a consumer tells only of those it has been assigned."""
        admin = AIOKafkaAdminClient(**aiokafka_config(self._kafka), request_timeout_ms=ANSWER_MS)
        try:
            await admin.start()
            described = await admin.describe_topics()
        finally:
            await admin.close()
        return {t["topic"]: sorted(p["partition"] for p in t["partitions"]) for t in described}

    async def _read(self, consumer: AIOKafkaConsumer, parts: list[TopicPartition], answered: int) -> int:
        """Take what there is; answers when Kafka last answered, which was at ``answered`` until now."""
        async with asyncio.timeout(STALLED_S):  # wait_for of Python 3.11 now and then swallows a cancellation
            found = await consumer.getmany(timeout_ms=WAIT_MS, max_records=BATCH)
        batch = [self._received(record) for records in found.values() for record in records]
        if batch:
            self._take(batch)
        elif self._now() - answered < ASK_NS:
            return answered
        else:
            async with asyncio.timeout(STALLED_S):
                await consumer.end_offsets(parts)
        return self._now()

    def _received(self, record: ConsumerRecord) -> Received:
        return Received(
            topic=record.topic.removeprefix(self._kafka.prefix),
            part=record.partition,
            offset=record.offset,
            value=b"" if record.value is None else record.value,
            reason=_reason(record.headers),
        )

    def _complain(self, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}"[:300]
        if trouble != self.trouble:
            log.warning("cannot read from Kafka; trying again until it works", why=trouble)
        self.trouble = trouble


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    """Let go of the consumer, in a task of its own: without a broker it ends by cancelling itself, which is not us."""
    try:
        async with asyncio.timeout(STOP_S):
            await consumer.stop()
    except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
        log.debug("the consumer did not stop cleanly", why=f"{type(error).__name__}: {error}")


def _reason(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """Why a dead letter could not be read, and where it stood."""
    said = {name: value.decode("utf-8", "replace") for name, value in headers}
    if "reason" not in said:
        return None
    place = " ".join(said[name] for name in ("topic", "partition", "offset") if name in said)
    return said["reason"] if place == "" else f"{place}: {said['reason']}"
