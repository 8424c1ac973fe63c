"""Silences to be asked about at their times.

Nearly every alarm is answered long before it would expire, so none is put in order until it must be. A family knows its
own deadlines; here is only kept whose are to be looked at when a stretch of time begins. What still stands then is
sorted, and what still stands when its turn comes rings.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_STRETCH_BITS = 26
"""A stretch is 2**26 ns, about 67 ms: few deadlines outlive it without being answered."""


class Bearer(Protocol):
    """Who bears deadlines (`monitor.engine.families.Family`)."""

    symbol: str
    deadlines: dict[str, int]
    """When each is to expire, by its key; one that has been answered is not there."""


Whose = TypeVar("Whose", bound=Bearer)


class Deadlines(Generic[Whose]):
    """Deadlines that are set, asked for in the order of their times."""

    def __init__(self) -> None:
        self.first = math.inf
        """Nothing rings before this."""
        self._due: list[tuple[int, str, str, int, Whose]] = []
        """Time, symbol, key, number (two are never compared further), and who bears it."""
        self._later: dict[int, list[Whose]] = {}
        self._stretches: list[int] = []
        self._number = 0

    def set(self, at: int, bearer: Whose) -> None:
        """Look at the bearer's deadlines when the stretch of ``at`` begins."""
        stretch = at >> _STRETCH_BITS
        later = self._later.get(stretch)
        if later is not None:
            if later[-1] is not bearer:
                later.append(bearer)
            return
        self._later[stretch] = [bearer]
        heapq.heappush(self._stretches, stretch)
        self.first = min(self.first, stretch << _STRETCH_BITS)

    def expired(self, before: float) -> Iterator[tuple[int, str, Whose]]:
        """Time, key and bearer of the deadlines before ``before`` that stand when their turn comes, in order."""
        while self.first < before:
            self._begin(before)
            if self._due and self._due[0][0] < before:
                at, _, key, _, bearer = heapq.heappop(self._due)
                self._look()
                if bearer.deadlines.get(key) == at:
                    yield at, key, bearer

    def _begin(self, before: float) -> None:
        """Sort what still stands of every stretch that begins before ``before``."""
        while self._stretches and self._stretches[0] << _STRETCH_BITS < before:
            stretch = heapq.heappop(self._stretches)
            for bearer in self._later.pop(stretch):
                if bearer.deadlines:
                    self._sort(stretch, bearer)
        self._look()

    def _sort(self, stretch: int, bearer: Whose) -> None:
        for key, at in bearer.deadlines.items():
            if at >> _STRETCH_BITS == stretch:
                self._number += 1
                heapq.heappush(self._due, (at, bearer.symbol, key, self._number, bearer))

    def _look(self) -> None:
        due = self._due[0][0] if self._due else math.inf
        later = self._stretches[0] << _STRETCH_BITS if self._stretches else math.inf
        self.first = min(due, later)
