"""What of a quote source could not be read: counted by reason, located by file and line, never fatal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from msgspec import Struct

log = structlog.get_logger()

TOLD = 5
"""Rows of one reason that get a log line of their own; the others are only counted."""
KEPT = 100
"""Rows that are kept with their text."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """One row that could not be used, and why."""

    place: str
    """``file:line``."""
    reason: str
    """One of a few."""
    text: str
    detail: str | None = None
    """What exactly is wrong, where a live feed should be told; such rows are kept in ``dead_letters``."""


class Rejects:
    """Gathers what could not be read; ``each`` is also called with every row, to put it somewhere else."""

    def __init__(self, each: Callable[[Unreadable], None] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[Unreadable] = []
        self._each = each

    @classmethod
    def deaf(cls) -> Rejects:
        """For a first look through a file: what is wrong is told when it is read."""
        return _Deaf()

    @property
    def total(self) -> int:
        """Rows that could not be used."""
        return self.counts.total()

    def add(self, place: str, reason: str, text: str, detail: str | None = None) -> None:
        """One row more."""
        row = Unreadable(place=place, reason=reason, text=text, detail=detail)
        self.counts[reason] += 1
        if self.counts[reason] <= TOLD:
            log.warning("row cannot be read", place=place, reason=detail or reason, row=text[:200])
        elif self.counts[reason] == TOLD + 1:
            log.warning("more rows cannot be read for the same reason: from here on they are counted", reason=reason)
        if len(self.kept) < KEPT:
            self.kept.append(row)
        if self._each is not None:
            self._each(row)


class _Deaf(Rejects):
    def add(self, place: str, reason: str, text: str, detail: str | None = None) -> None:
        """Not told."""
