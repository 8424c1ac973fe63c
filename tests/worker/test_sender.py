"""The worker's sender with a real broker: order over a replaced producer, and no silent end."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaError

from monitor.config import settings
from monitor.kafka import readback
from monitor.worker.sender import Outlet, Parcel

pytestmark = pytest.mark.line


def parcel(text: str, partition: int = 0, replaces: str | None = None) -> Parcel:
    return Parcel(topic="findings", partition=partition, value=text.encode(), replaces=replaces)


async def test_what_is_posted_while_the_producer_is_replaced_stands_once_and_behind_the_older(
    kafka: settings.Kafka,
) -> None:
    outlet = Outlet(kafka)
    await outlet.start()
    try:
        outlet.post(parcel("first"))
        await outlet.settled()
        outlet._fail(KafkaError("made to fail"))
        for text in ("second", "third"):
            outlet.post(parcel(text))
        while outlet._producer is not None:  # noqa: ASYNC110 - it is being replaced, and tells nobody
            await asyncio.sleep(0)
        outlet.post(parcel("fourth"))
        outlet.post(parcel("health", replaces="health of 0"))
        outlet.post(parcel("newer health", replaces="health of 0"))
        await outlet.settled()
    finally:
        await outlet.stop()
    said = [
        message.value.decode() for message in await asyncio.to_thread(lambda: list(readback.read(kafka, "findings")))
    ]
    assert said == ["first", "second", "third", "fourth", "newer health"]


async def test_a_message_that_cannot_be_sent_ends_the_sender_with_its_reason(kafka: settings.Kafka) -> None:
    outlet = Outlet(kafka)
    await outlet.start()
    try:
        outlet.post(parcel("for a partition that the topic does not have", partition=99))
        with pytest.raises(AssertionError, match="Unrecognized partition"):
            async with asyncio.timeout(30):
                await outlet.failed()
    finally:
        await outlet.stop()
