"""From when to when there were quotes and reports: days, zones or units that do not fit together are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from monitor.replay.reports import Happening
from monitor.wire.blocks import Block
from monitor.wire.events import DAY_NS


class Span(Struct):
    """The first and the last time of a stream in order; None while nothing has come."""

    first: int | None = None
    last: int | None = None

    def blocks(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks, looked at."""
        for block in blocks:
            if len(block):
                self.first = int(block.time[0]) if self.first is None else self.first
                self.last = int(block.time[-1])
            yield block

    def reports(self, events: Iterator[Happening]) -> Iterator[Happening]:
        """The same events, looked at."""
        for event in events:
            self.first = event.at if self.first is None else self.first
            self.last = event.at
            yield event

    def told(self) -> list[str] | None:
        """From and to, for people."""
        if self.first is None or self.last is None:
            return None
        return [_iso(self.first), _iso(self.last)]


def strangers(quotes: Span, reports: Span) -> str | None:
    """What to look at when no quote is of a day of the reports; None when they may belong together."""
    if quotes.first is None or quotes.last is None or reports.first is None or reports.last is None:
        return None
    apart = max(quotes.first - reports.last, reports.first - quotes.last)
    if apart <= DAY_NS:
        return None
    return (
        f"quotes are from {_iso(quotes.first)} to {_iso(quotes.last)}, reports from {_iso(reports.first)} to "
        f"{_iso(reports.last)}: is one of them of another day, or counted in another unit than ns?"
    )


def _iso(nanos: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=nanos // 10**9)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z"
