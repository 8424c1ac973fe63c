"""The worker's sender with a real broker: order over a replaced producer, and no silent end."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaError

from monitor.config import settings
from monitor.kafka import readback
from monitor.worker.sender import KafkaSender, OutgoingMessage

pytestmark = pytest.mark.line


def message(text: str, partition: int = 0, replaces: str | None = None) -> OutgoingMessage:
    return OutgoingMessage(topic="findings", partition=partition, value=text.encode(), replaces=replaces)


async def test_what_is_posted_while_the_producer_is_replaced_stands_once_and_behind_the_older(
    kafka: settings.Kafka,
) -> None:
    sender = KafkaSender(kafka)
    await sender.start()
    try:
        sender.post(message("first"))
        await sender.settled()
        sender._fail(KafkaError("made to fail"))
        for text in ("second", "third"):
            sender.post(message(text))
        while sender._producer is not None:  # noqa: ASYNC110 - it is being replaced, and tells nobody
            await asyncio.sleep(0)
        sender.post(message("fourth"))
        sender.post(message("health", replaces="health of 0"))
        sender.post(message("newer health", replaces="health of 0"))
        await sender.settled()
    finally:
        await sender.stop()
    said = [
        message.value.decode() for message in await asyncio.to_thread(lambda: list(readback.read(kafka, "findings")))
    ]
    assert said == ["first", "second", "third", "fourth", "newer health"]


async def test_a_message_that_cannot_be_sent_ends_the_sender_with_its_reason(kafka: settings.Kafka) -> None:
    sender = KafkaSender(kafka)
    await sender.start()
    try:
        sender.post(message("for a partition that the topic does not have", partition=99))
        with pytest.raises(AssertionError, match="Unrecognized partition"):
            async with asyncio.timeout(30):
                await sender.failed()
    finally:
        await sender.stop()
