"""Lets every report in once: drops what a publisher sent again and notices what it left out.

A message of ``reports`` says in its headers which journal records its lines come from (``first`` to ``last``) and
which record was the last before them on this partition (``prev``). So whatever a restarted publisher sends again
is known by its numbers, and a message that is missing shows as a hole, which may still be filled later. Ticks and
the end of a source are no records: they always pass, for telling them twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from monitor.wire.codec import NOTHING_BEFORE
from monitor.wire.events import SCHEMA, Ended, ReportLine, Tick

Headers = Iterable[tuple[str, bytes]]

ALL_PARTS = 1 << 62
HOLES_KEPT = 1000
"""Holes remembered for each source; beyond it the oldest is given up: what would fill it is then a repeat."""

_WORDS = (Tick, Ended)
"""Said anew whenever they are said: never a repeat."""


class UnreadableHeaders(ValueError):
    """Headers that cannot be understood, with the reason."""


class Envelope(Struct, frozen=True, kw_only=True):
    """What the headers of a message of ``reports`` say."""

    source: str
    first: int
    last: int
    prev: int


class Door(Struct, kw_only=True):
    """What has been seen of one source on this partition."""

    last: int
    """Highest journal number seen."""
    last_part: int = -1
    """Highest part of that record seen: a record's parts may be torn over two messages."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """Ranges (after, up to] below ``last`` that have not been seen, rising."""


class Deduplicator(Struct, kw_only=True):
    """The doors of one partition and what they have counted."""

    doors: dict[str, Door] = field(default_factory=dict)
    repeats: int = 0
    """Events dropped because they had been seen."""
    holes: int = 0
    """Times that a message was missing."""

    def admit(self, envelope: Envelope | None, events: Sequence[ReportLine]) -> list[ReportLine]:
        """The events not seen before, in their order; without an envelope all of them."""
        if envelope is None:
            return list(events)
        door = self.doors.get(envelope.source)
        if door is None:
            door = self.doors[envelope.source] = Door(last=NOTHING_BEFORE)
        if envelope.prev > door.last:
            self._leave_hole(door, envelope.prev)
        last = door.last
        fresh = [e for e in events if e.n > last or isinstance(e, _WORDS) or _unseen(door, e)]
        self.repeats += len(events) - len(fresh)
        _fill(door, envelope.prev, envelope.last)
        _move(door, envelope.last, fresh)
        return fresh

    def _leave_hole(self, door: Door, prev: int) -> None:
        self.holes += 1
        door.holes.append((door.last, prev))
        door.last, door.last_part = prev, ALL_PARTS
        del door.holes[:-HOLES_KEPT]


def _unseen(door: Door, event: ReportLine) -> bool:
    if event.n >= door.last:
        return event.n > door.last or event.part > door.last_part or _in_hole(door, event.n)
    return _in_hole(door, event.n)


def _in_hole(door: Door, n: int) -> bool:
    return any(after < n <= upto for after, upto in door.holes)


def _move(door: Door, last: int, fresh: Iterable[ReportLine]) -> None:
    if last < door.last:
        return
    if last > door.last:
        door.last, door.last_part = last, -1
    parts = [e.part for e in fresh if e.n == last and not isinstance(e, _WORDS)]
    door.last_part = max([door.last_part, *parts])


def _fill(door: Door, after: int, upto: int) -> None:
    """Take (after, upto] out of the holes: between ``prev`` and ``first`` the source had nothing for this partition."""
    if not door.holes:
        return
    left: list[tuple[int, int]] = []
    for low, high in door.holes:
        left.extend(piece for piece in ((low, min(high, after)), (max(low, upto), high)) if piece[0] < piece[1])
    door.holes = left


def check_schema(headers: Headers) -> None:
    """Refuse a message of a schema this worker does not know; raises `UnreadableHeaders`."""
    for name, value in headers:
        if name == "schema" and value != str(SCHEMA).encode():
            raise UnreadableHeaders(f"schema {value!r} is unknown: this worker reads schema {SCHEMA}")


def envelope_of(headers: Headers) -> Envelope | None:
    """Read the headers; ``None`` when the publisher keeps no numbers; raises `UnreadableHeaders`."""
    said = dict(headers)
    if "source" not in said:
        return None
    try:
        return Envelope(
            source=said["source"].decode(),
            first=int(said["first"]),
            last=int(said["last"]),
            prev=int(said.get("prev", str(NOTHING_BEFORE).encode())),
        )
    except (KeyError, ValueError) as error:
        raise UnreadableHeaders(f"headers are not source, first, last, prev: {error}") from error
