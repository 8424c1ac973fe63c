"""From blocks to Kafka: encoded, numbered by tokens, and waited for without ever growing."""

from __future__ import annotations

import threading
from typing import Protocol

from monitor.feeds.metrics import Meters
from monitor.feeds.rejects import Unreadable
from monitor.wire.blocks import Block, encode
from monitor.wire.events import SCHEMA

Headers = list[tuple[str, bytes]]
_WAIT_S = 0.2


class Sends(Protocol):
    """What is needed of a producer (see `monitor.kafka.producer.BoundedProducer`)."""

    def send(self, topic: str, partition: int, value: bytes, headers: Headers, token: int) -> None:
        """Send behind everything sent before."""

    def wait_for_room(self, seconds: float) -> bool:
        """Whether there is room for a message, waiting for it that long."""

    def acked(self) -> int | None:
        """Token up to which everything is acknowledged."""

    def flush(self, seconds: float) -> bool:
        """Wait until everything is acknowledged."""


class Stopped(Exception):
    """Told to stop while waiting for Kafka."""


class Outbox:
    """Sends blocks in order; ``token`` is that of the last one sent."""

    def __init__(self, producer: Sends, nbbo: str, dead_letters: str, meters: Meters, stop: threading.Event) -> None:
        self._producer = producer
        self._nbbo = nbbo
        self._dead_letters = dead_letters
        self._meters = meters
        self._stop = stop
        self.token = 0

    def send(self, partition: int, block: Block) -> None:
        """Send a block, waiting while too much is in flight; raises `Stopped`."""
        value = encode(block)
        while not self._producer.wait_for_room(_WAIT_S):
            if self._stop.is_set():
                raise Stopped
        self.token += 1
        self._producer.send(self._nbbo, partition, value, [("schema", str(SCHEMA).encode())], self.token)
        self._meters.sent(block, len(value))

    def has_room(self) -> bool:
        """Whether a block can be sent now."""
        return self._producer.wait_for_room(0)

    def bury(self, row: Unreadable, source: str) -> None:
        """Keep what could not be read in ``dead_letters``, while there is room for it; it is counted in any case."""
        if not self.has_room():
            return
        said = {"schema": str(SCHEMA), "reason": (row.detail or row.reason)[:500], "source": source, "place": row.place}
        self.token += 1
        headers = [(name, text.encode()) for name, text in said.items()]
        self._producer.send(self._dead_letters, 0, row.text.encode(), headers, self.token)

    def acked(self) -> int | None:
        """Token up to which Kafka has everything."""
        return self._producer.acked()

    def settle(self) -> bool:
        """Wait until Kafka has everything; False when told to stop before that."""
        while not self._producer.flush(_WAIT_S):
            if self._stop.is_set():
                return self._producer.flush(2.0)
        return True
