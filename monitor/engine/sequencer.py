"""The order of happening: events wait until every source has vouched for their time, then leave in order.

Order is decided by content, (time, source, number, part), never by arrival. The *watermark* is the least of the last
ticks of the sources still waited for; both streams, reports and quotes, must have spoken. A source that says nothing
for too long is set aside and the others go on; when it speaks again it is waited for again. A source that has ended
is not waited for; when all have, nothing holds time back.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Literal

from msgspec import Struct

from monitor.wire.events import OrderKind, SessionKind

Stream = Literal["reports", "nbbo"]
STREAMS: tuple[Stream, ...] = ("reports", "nbbo")
Held = OrderKind | SessionKind
"""What waits to be judged."""
Entry = tuple[int, str, int, int, int, Held]
"""When it is judged, source, number, part, order of arrival, and the event."""

_turn = itemgetter(0)


class Source(Struct, kw_only=True):
    """What a source has promised, and when it was last heard by the time of day."""

    tick: int | None = None
    """Everything of it up to here has been heard."""
    ended: bool = False
    silent: bool = False
    heard: int | None = None
    last_n: int = -1
    """For quotes: the newest block heard, by number; what comes again is a repeat."""


class Sequencer:
    """Held events and the promises of their sources."""

    def __init__(self, silence_ns: int, future_ns: int | None = None) -> None:
        self.silence_ns = silence_ns
        self.future_ns = math.inf if future_ns is None else future_ns
        """An event that claims to be later than it was seen by more than this is not believed."""
        self.sources: dict[Stream, dict[str, Source]] = {stream: {} for stream in STREAMS}
        """By stream and name: a source of reports never vouches for quotes, whatever both are called."""
        self.duplicates = 0
        """Events that came twice while they waited."""
        self.set_aside = 0
        """Times that a source fell silent."""
        self._now: int | None = None
        self._first_now: int | None = None
        self._waiting: list[Entry] = []
        self._arrived = 0
        self._ordered = 0
        """How many of the first that wait are known to be in order."""
        self._first: float = math.inf
        """Nothing that waits is to be judged before this."""

    @property
    def held(self) -> int:
        """Events that wait."""
        return len(self._waiting)

    def each(self) -> Iterator[tuple[Stream, str, Source]]:
        """Every source with its stream and its name."""
        return ((stream, name, source) for stream, named in self.sources.items() for name, source in named.items())

    def ticks(self) -> dict[str, int]:
        """Last tick of each source by its name; of a name in both streams the quotes' is marked."""
        return {self._label(stream, name): s.tick for stream, name, s in self.each() if s.tick is not None}

    def _label(self, stream: Stream, name: str) -> str:
        return f"{name} (quotes)" if stream == "nbbo" and name in self.sources["reports"] else name

    def hold(self, event: Held, *, heard: bool = True) -> None:
        """Let an event wait for its turn; what is put back after a restart is not ``heard`` from its source now."""
        name, turn, seen = event.source, event.at, event.seen
        if heard:
            source = self.sources["reports"].get(name)
            if source is None or source.ended or source.silent:
                source = self.spoke(name, "reports")
            source.heard = self._now
        if turn - seen > self.future_ns:
            turn = seen
        self._arrived = arrived = self._arrived + 1
        self._waiting.append((turn, name, event.n, event.part, arrived, event))
        if turn < self._first:
            self._first = turn

    def turn(self, event: Held) -> int:
        """The time at which an event is judged: its own, or when it was seen if it claims to be far in the future."""
        return event.seen if self.is_future(event) else event.at

    def is_future(self, event: Held) -> bool:
        """Whether it claims a time so far after it was seen that no clock can be meant; its source never gets there."""
        return event.at - event.seen > self.future_ns

    def spoke(self, name: str, stream: Stream) -> Source:
        """The source said something: it is waited for (again)."""
        source = self.sources[stream].get(name)
        if source is None:
            source = self.sources[stream][name] = Source()
        source.heard = self._now
        source.ended = source.silent = False
        return source

    def tick(self, name: str, stream: Stream, at: int) -> None:
        """The source's promise: everything of it up to ``at`` has been heard."""
        source = self.spoke(name, stream)
        if source.tick is None or at > source.tick:
            source.tick = at

    def end(self, name: str, stream: Stream, at: int | None) -> None:
        """The source has nothing more to say, and vouches for everything of it up to ``at``."""
        if at is not None:
            self.tick(name, stream, at)
        self.spoke(name, stream).ended = True

    def wall(self, now: int) -> None:
        """The time of day: sources that have been silent for too long are set aside."""
        self._now = now
        if self._first_now is None:
            self._first_now = now
        for _, _, source in self.each():
            if source.heard is None:
                source.heard = now
            elif now - source.heard > self.silence_ns and not source.ended and not source.silent:
                source.silent = True
                self.set_aside += 1

    def silent(self) -> tuple[str, ...]:
        """Sources set aside, by name; a stream that never had one by the stream's."""
        names = [self._label(stream, name) for stream, name, source in self.each() if source.silent]
        return tuple(sorted(names + [stream for stream in STREAMS if self._never_came(stream)]))

    def watermark(self) -> int | None:
        """Everything up to here has been heard from every source that is waited for; ``None`` before that is so."""
        if not all(self._spoken(stream) for stream in STREAMS):
            return None
        ticks = [source.tick for _, _, source in self.each()]
        awaited = [s.tick for _, _, s in self.each() if not s.ended and not s.silent]
        if None in awaited:
            return None
        known = [tick for tick in awaited if tick is not None]
        if known:
            return min(known)
        return max((tick for tick in ticks if tick is not None), default=None)

    def all_ended(self) -> bool:
        """Every source there is has ended, and both streams have had one."""
        return all(self.sources.values()) and all(source.ended for _, _, source in self.each())

    def quotes_silent_since(self) -> int | None:
        """Where all sources of quotes still expected have been set aside: the last instant any vouched for."""
        quotes = [s for s in self.sources["nbbo"].values() if not s.ended]
        if not quotes or not all(source.silent for source in quotes):
            return None
        return max((s.tick for s in quotes if s.tick is not None), default=0)

    def heard_until(self, name: str) -> int | None:
        """How far a source of reports has vouched for itself."""
        source = self.sources["reports"].get(name)
        return source.tick if source is not None else None

    def release(self, until: int | None) -> list[Held]:
        """Take the events up to ``until`` (all when ``None``), in order, each once."""
        if until is not None and self._first > until:
            return []
        waiting = self._in_order()
        count = len(waiting) if until is None else bisect_right(waiting, until, key=_turn)
        entries = waiting[:count]
        del waiting[:count]
        self._ordered = len(waiting)
        self._first = waiting[0][0] if waiting else math.inf
        return self._each_once(entries)

    def overflow(self, most: int) -> int | None:
        """Time up to which events must leave unjudged so that no more than ``most`` wait; ``None`` when none must."""
        excess = len(self._waiting) - most
        return self._in_order()[excess - 1][0] if excess > 0 else None

    def waiting(self) -> list[Held]:
        """The events that wait, in order."""
        return [entry[-1] for entry in self._in_order()]

    def newest(self) -> int | None:
        """The latest time any source has vouched for; where none has, that of the last event that waits."""
        ticks = [source.tick for _, _, source in self.each() if source.tick is not None]
        return max(ticks or (entry[0] for entry in self._waiting), default=None)

    def _in_order(self) -> list[Entry]:
        """What waits, sorted: little work, for it comes nearly in order and only the end needs to be looked at."""
        waiting, ordered = self._waiting, self._ordered
        if ordered < len(waiting):
            start = bisect_right(waiting, min(waiting[ordered:]), 0, ordered)
            waiting[start:] = sorted(waiting[start:])
            self._ordered = len(waiting)
        return waiting

    def _each_once(self, entries: list[Entry]) -> list[Held]:
        events: list[Held] = []
        last: Entry | None = None
        for entry in entries:
            if last is not None and entry[2] == last[2] and entry[:4] == last[:4]:
                self.duplicates += 1
            else:
                events.append(entry[5])
            last = entry
        return events

    def _spoken(self, stream: Stream) -> bool:
        return bool(self.sources[stream]) or self._never_came(stream)

    def _never_came(self, stream: Stream) -> bool:
        """No source of this stream has sent anything within ``silence_ns`` of the start."""
        if self._first_now is None or self._now is None or self._now - self._first_now <= self.silence_ns:
            return False
        return not self.sources[stream]
