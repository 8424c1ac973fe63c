"""Reads whole topics back, from their first message to the last there is now: for checks and summaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from msgspec import Struct

from monitor import connection, settings, wire


class Message(Struct, frozen=True, kw_only=True):
    """One message of a topic."""

    partition: int
    offset: int
    stamped_ms: int
    """When its producer sent it, ms UTC."""
    headers: dict[str, bytes]
    value: bytes


def read(kafka: settings.Kafka, name: str) -> Iterator[Message]:
    """Every message of one of sorwatch's topics up to its present end, partition by partition."""
    consumer = KafkaConsumer(**connection.client_config(kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        topic = wire.topic(kafka.prefix, name)
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        ends = consumer.end_offsets(partitions)
        for partition in partitions:
            yield from _read_partition(consumer, partition, ends[partition])
    finally:
        consumer.close()


def _read_partition(consumer: Any, partition: TopicPartition, end: int) -> Iterator[Message]:
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    while consumer.position(partition) < end:
        for record in consumer.poll(1000).get(partition, ()):
            if record.offset < end:
                yield Message(
                    partition=record.partition,
                    offset=record.offset,
                    stamped_ms=record.timestamp,
                    headers=dict(record.headers),
                    value=record.value,
                )
