"""Reads ranges of a topic by offset, beside the consumer group: checkpoints, and what the group has skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from monitor.config import settings
from monitor.kafka import connection
from monitor.wire import codec


class Bounds(Struct, frozen=True, kw_only=True):
    """First offset that is there, and the one the next message will get."""

    begin: int
    end: int


class Record(Struct, frozen=True, kw_only=True):
    """One message as it was read."""

    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class RangeReader:
    """A consumer without a group; used by one task at a time."""

    def __init__(self, kafka: settings.Kafka) -> None:
        self._kafka = kafka
        self._consumer: Any = None

    async def start(self) -> None:
        """Connect; raises ``aiokafka.errors.KafkaError`` when the broker is away."""
        self._consumer = AIOKafkaConsumer(
            **connection.aiokafka_config(self._kafka),
            client_id="sorwatch-watch-reread",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Where the partition begins and ends now."""
        place = self._place(topic, partition)
        begin = await self._consumer.beginning_offsets([place])
        end = await self._consumer.end_offsets([place])
        return Bounds(begin=begin[place], end=end[place])

    async def read(self, topic: str, partition: int, begin: int, end: int) -> AsyncIterator[Record]:
        """The messages from ``begin`` up to, not including, ``end``; offsets without a message are passed over."""
        place = self._place(topic, partition)
        self._consumer.assign([place])
        self._consumer.seek(place, begin)
        while await self._consumer.position(place) < end:
            batches = await self._consumer.getmany(place, timeout_ms=200, max_records=500)
            for message in batches.get(place, ()):
                if message.offset >= end:
                    return
                yield Record(offset=message.offset, value=message.value, headers=tuple(message.headers))

    def _place(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(codec.topic(self._kafka.prefix, topic), partition)
