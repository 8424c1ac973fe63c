"""Feeds the engine from streams that are in order: quotes block by block, reports as far as the quotes have come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from monitor.engine.engine import Engine
from monitor.engine.joined import Output
from monitor.replay.reports import Happening
from monitor.wire.blocks import Block
from monitor.wire.events import Ended, Tick

SOURCE = "replay"
"""Source of reports that time goes on by before the first of them."""
MOST = 20_000
"""Reports told before the engine judges what it can."""


class Feeder:
    """Tells one engine everything, and hands on what comes of it."""

    def __init__(self, engine: Engine, reports: Iterator[Happening], hand_on: Callable[[Output], None]) -> None:
        self._engine = engine
        self._reports = reports
        self._hand_on = hand_on
        self._next = next(reports, None)
        self._sources = {SOURCE}

    def feed(self, blocks: Iterator[Block]) -> None:
        """Everything from beginning to end."""
        for token, block in enumerate(blocks):
            self._engine.block(block, token)
            if block.through is not None:
                self._up_to(block.through)
        self._up_to(None)
        self._hand_on(self._engine.drain())

    def _up_to(self, time: int | None) -> None:
        """Tell the reports up to ``time`` (all when ``None``), and judge."""
        told, last = 0, None
        while self._next is not None and (time is None or self._next.at <= time):
            event, self._next = self._next, next(self._reports, None)
            self._sources.add(event.source)
            self._engine.report(event)
            told, last = told + 1, event.at
            if told % MOST == 0:
                self._heard(last - 1)
        if self._next is not None and time is not None:
            self._heard(time)
        elif last is not None:
            self._heard(last)
            self._end()
        self._hand_on(self._engine.advance())

    def _heard(self, until: int) -> None:
        for source in sorted(self._sources):
            self._engine.report(Tick(source=source, n=0, at=until, seen=until))
        self._hand_on(self._engine.advance())

    def _end(self) -> None:
        """Nothing is known of the time after the last report."""
        for source in sorted(self._sources):
            self._engine.report(Ended(source=source, n=0, at=0, seen=0))
