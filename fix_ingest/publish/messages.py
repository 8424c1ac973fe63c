"""Events → messages of ``reports``: lines by partition, headers that chain them, ticks and ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from fix_ingest.journal.record import Record
from monitor.wire import codec
from monitor.wire.events import Ended, Garbled, Report, ReportLine, Tick

MESSAGE_BYTES: Final = 64 << 10
"""A message is closed once it is that large: many lines a message are cheap, but none should keep others waiting."""
LINE_BYTES: Final = 1 << 20
"""Largest line; a longer one becomes `Garbled`."""


class OutgoingMessage(Struct, frozen=True):
    """One message, ready to be sent."""

    partition: int
    value: bytes
    headers: list[tuple[str, bytes]]


class _Page(Struct):
    """Lines of one partition that are not yet a message."""

    first: int
    last: int
    lines: list[bytes]
    size: int = 0


class Outbound:
    """Gathers lines by partition and cuts them into messages.

    The events of one record for one partition always stand in one message, so that the numbers in the headers tell
    exactly which records a reader has had. ``chain`` is the last number sent to each partition, from a saved position.
    """

    def __init__(self, source: str, partitions: int, chain: Sequence[int] | None = None) -> None:
        self.source = source
        self.chain = list(chain) if chain is not None else [codec.NOTHING_BEFORE] * partitions
        self.lines = 0
        """Lines since the start."""
        self._pages: list[_Page | None] = [None] * partitions
        self._parcels: list[OutgoingMessage] = []

    def add(self, record: Record, events: Iterable[ReportLine]) -> None:
        """Take the events of the next record."""
        partitions = len(self.chain)
        for event in events:
            line = self._line(record, event)
            if isinstance(event, Report):
                self._put(codec.partition_of(event.symbol, partitions), record.n, line)
            else:
                for partition in range(partitions):
                    self._put(partition, record.n, line)

    def promise(self, word: Tick | Ended) -> None:
        """Say a tick or the end to every partition, behind everything taken so far."""
        line = codec.encode_lines([word])
        for partition in range(len(self.chain)):
            self._put(partition, word.n, line)

    def take(self) -> list[OutgoingMessage]:
        """Everything gathered, as messages in the order in which they must be sent."""
        for partition in range(len(self.chain)):
            self._cut(partition)
        parcels, self._parcels = self._parcels, []
        return parcels

    def _line(self, record: Record, event: ReportLine) -> bytes:
        line = codec.encode_lines([event])
        if len(line) <= LINE_BYTES:
            return line
        short = Garbled(
            source=self.source,
            n=event.n,
            part=event.part,
            at=record.seen,
            seen=record.seen,
            session=record.session,
            reason=f"an event of {len(line)} bytes: at most {LINE_BYTES}; the journal has the message",
            raw="",
        )
        return codec.encode_lines([short])

    def _put(self, partition: int, n: int, line: bytes) -> None:
        page = self._pages[partition]
        if page is not None and page.size >= MESSAGE_BYTES and n > page.last:
            self._cut(partition)
            page = None
        if page is None:
            page = self._pages[partition] = _Page(n, n, [])
        page.lines.append(line)
        page.size += len(line)
        page.last = n
        self.lines += 1

    def _cut(self, partition: int) -> None:
        page = self._pages[partition]
        if page is None:
            return
        headers = codec.headers(self.source, page.first, page.last, self.chain[partition])
        self._parcels.append(OutgoingMessage(partition, b"".join(page.lines), headers))
        self.chain[partition] = page.last
        self._pages[partition] = None


class Clock:
    """What the ticks of a source may say, and whether it has ended.

    ``wall``: everything read, up to the time of day before the journal was read to its end. ``events``: history that
    is sent again, everything up to the newest order event so far; and once every session has logged out, the end.
    A connection that merely breaks is no logout. A live source has no end: its ticks go on without sessions.
    """

    def __init__(self, kind: str, source: str, sessions: Iterable[str] = ()) -> None:
        """``sessions`` are those that must have come and gone before the source has ended."""
        self.kind, self.source = kind, source
        self.newest: int | None = None
        """Newest time of an order event."""
        self.gone: dict[str, bool] = dict.fromkeys(sessions, False)
        """Session → whether it has logged out."""
        self.ended = False
        """Whether the end has been told."""
        self._told: int | None = None
        """When something was last said."""

    def due(self, now: int, every_ns: int) -> bool:
        """Whether something may be said again; also when the time of day has been set back since the last time."""
        return self._told is None or not 0 <= now - self._told < every_ns

    def told(self, now: int) -> None:
        """Something was said."""
        self._told = now

    def saw(self, record: Record, events: Iterable[ReportLine]) -> None:
        """Take note of a record and its events."""
        if record.kind == "up":
            self.gone[record.session] = self.ended = False
        elif record.kind == "message":
            self.gone[record.session] = b"\x0135=5\x01" in record.body[:64]
            self.ended = False
        for event in events:
            # session events carry our time of day, which history has nothing to do with
            if isinstance(event, Report) and (self.newest is None or event.at > self.newest):
                self.newest = event.at

    def word(self, n: int, now: int, at_end: bool) -> Tick | Ended | None:
        """What may be said now, behind everything read so far: ``n`` is the last record, ``now`` taken before it."""
        if self.kind == "wall":
            return Tick(source=self.source, n=n, at=now, seen=now) if at_end else None
        if self.newest is None or self.ended:
            return None
        if at_end and self.gone and all(self.gone.values()):
            self.ended = True
            return Ended(source=self.source, n=n, at=self.newest, seen=now)
        return Tick(source=self.source, n=n, at=self.newest, seen=now)
