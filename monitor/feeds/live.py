"""Plays a live source at the time of day; while Kafka is away it keeps so many quotes and then gives up the oldest."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

import structlog

from monitor.feeds.batches import Round
from monitor.feeds.block_sender import Outbox, Stopped
from monitor.feeds.metrics import Meters
from monitor.feeds.partitioner import Splitter
from monitor.feeds.quote_table import empty
from monitor.feeds.resume import Position
from monitor.wire.blocks import Block

log = structlog.get_logger()

SAVE_EVERY_S = 0.5


class LiveSource(Protocol):
    """Something that is asked every few milliseconds what is new."""

    where: str
    behind: bool
    """Whether there is more to be had at once."""
    late: int
    """Quotes so far that were older than a promise already given."""

    @property
    def patient(self) -> bool:
        """Whether it can wait for Kafka, so that nothing need be given up."""

    def poll(self) -> Round | None:
        """What is new, and how far that is everything; None when there is nothing to say."""

    def close(self) -> None:
        """Let go of sockets."""


class Pending:
    """Rounds that wait for Kafka, at most so many rows."""

    def __init__(self, most_rows: int) -> None:
        self._most = most_rows
        self._rounds: deque[Round] = deque()
        self.rows = 0

    def __len__(self) -> int:
        return len(self._rounds)

    def add(self, this: Round) -> int:
        """One round more; answers how many rows had to be given up for it: never the newest round's."""
        if self._rounds and not len(this.rows):
            before = self._rounds[-1]
            before.through, before.ended = this.through, before.ended or this.ended
            return 0
        self._rounds.append(this)
        self.rows += len(this.rows)
        dropped = 0
        while self.rows > self._most and len(self._rounds) > 1:
            gone = len(self._rounds.popleft().rows)
            self.rows -= gone
            dropped += gone
        return dropped

    def take(self) -> Round:
        """The oldest round."""
        this = self._rounds.popleft()
        self.rows -= len(this.rows)
        return this


class Live:
    """The way of a live source's rounds to Kafka."""

    def __init__(
        self,
        source: LiveSource,
        splitter: Splitter,
        outbox: Outbox,
        position: Position | None,
        pending: Pending,
        meters: Meters,
    ) -> None:
        """``position`` is where a source goes on that can tell again what a kill swallowed."""
        self._source = source
        self._splitter = splitter
        self._outbox = outbox
        self._position = position
        self._pending = pending
        self._meters = meters
        self._gap = False
        self._saved = time.monotonic()
        self._round = Round(rows=empty(), through=None)
        self._blocks: deque[tuple[int, Block]] = deque()

    def play(self, stop: threading.Event, tick_s: float) -> bool:
        """Send what comes until the source ends or we are told to stop; answers whether all of it was sent."""
        due, ended = time.monotonic(), False
        while not stop.is_set() and not ended:
            this = self._source.poll()
            if this is not None:
                self._keep(this)
                ended = this.ended
            self._turn()
            due = max(due + tick_s, time.monotonic() - tick_s)
            if not self._source.behind:
                stop.wait(max(due - time.monotonic(), 0.0))
        return self._finish(stop) and ended

    def _turn(self, *, wait: bool = False) -> None:
        try:
            self._send(wait=wait)
        except Stopped:
            log.warning("told to stop while Kafka is away", rows_not_sent=self._pending.rows)
        self._meters.too_late(self._source.late - self._meters.late)
        self._save(SAVE_EVERY_S)

    def _keep(self, this: Round) -> None:
        dropped = self._pending.add(this)
        if self._source.patient:
            self._turn(wait=True)
        if dropped:
            self._meters.drop(dropped)
        if dropped and not self._gap:
            log.error("Kafka is away for too long: the oldest quotes are given up", kept_rows=self._pending.rows)
        self._gap = bool(dropped) or (self._gap and len(self._pending) > 1)

    def _send(self, *, wait: bool) -> None:
        while self._waiting() and (wait or self._outbox.has_room()):
            if not self._blocks:
                self._round = self._pending.take()
                self._blocks.extend(self._splitter.blocks(self._round))
            self._outbox.send(*self._blocks[0])
            self._blocks.popleft()
            if not self._blocks:
                self._told(self._round.through)

    def _waiting(self) -> bool:
        return bool(self._blocks) or len(self._pending) > 0

    def _told(self, through: int | None) -> None:
        if through is not None:
            self._meters.lag(time.time() - through / 1e9)
            if self._position is not None:
                self._position.sent(self._outbox.token, through)

    def _save(self, every_s: float) -> None:
        if self._position is not None and time.monotonic() - self._saved >= every_s:
            self._position.acknowledged(self._outbox.acked())
            self._saved = time.monotonic()

    def _finish(self, stop: threading.Event) -> bool:
        """Wait until Kafka has what is left; not for long when told to stop."""
        while self._waiting() and not stop.wait(0.01):
            self._turn()
        self._turn()
        settled = self._outbox.settle() and not self._waiting()
        self._save(0.0)
        return settled
