"""Reads whole topics back, from their first message to the last there is now: for checks and summaries."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from msgspec import Struct

from monitor.config import settings
from monitor.kafka import connection
from monitor.wire import codec

SILENT_S = 20.0
"""A broker that gives nothing for so long is away."""


class Message(Struct, frozen=True, kw_only=True):
    """One message of a topic."""

    partition: int
    offset: int
    stamped_ms: int
    """When its producer sent it, ms UTC."""
    headers: dict[str, bytes]
    value: bytes


def read(kafka: settings.Kafka, name: str, since: Mapping[int, int] | None = None) -> Iterator[Message]:
    """Every message of one of sorwatch's topics up to its present end, partition by partition.

    ``since`` names the first offset wanted of each partition; of those it does not name, all there is.

    Raises `Unavailable` when Kafka cannot be spoken to, or is not there any more.
    """
    connection.reach(kafka)
    try:
        yield from _read(kafka, name, since or {})
    except KafkaError as error:
        raise connection.refused(kafka, error) from error


def _read(kafka: settings.Kafka, name: str, since: Mapping[int, int]) -> Iterator[Message]:
    consumer = KafkaConsumer(**connection.client_config(kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        topic = codec.topic(kafka.prefix, name)
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        ends = consumer.end_offsets(partitions)
        for partition in partitions:
            for record in _records(consumer, partition, since.get(partition.partition), ends[partition]):
                yield Message(
                    partition=record.partition,
                    offset=record.offset,
                    stamped_ms=record.timestamp,
                    headers=dict(record.headers),
                    value=record.value,
                )
    finally:
        consumer.close()


def _records(consumer: Any, partition: TopicPartition, since: int | None, end: int) -> Iterator[Any]:
    consumer.assign([partition])
    if since is None:
        consumer.seek_to_beginning(partition)
    else:
        consumer.seek(partition, since)
    heard = time.monotonic()
    while (before := consumer.position(partition)) < end:
        yield from (r for r in consumer.poll(1000).get(partition, ()) if r.offset < end)
        if consumer.position(partition) > before:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENT_S:
            raise KafkaTimeoutError(f"nothing for {SILENT_S:.0f} s from {partition.topic}")
