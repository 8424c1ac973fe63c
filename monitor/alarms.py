"""Silences to be asked about at their times.

Nearly every alarm is answered long before it would ring, so none is put in order until it must be: those of one
stretch of time are kept as they come, and when the stretch begins those that still stand are sorted.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator

Alarm = tuple[int, str, str, str]
"""Time, symbol, order, and what of the order is asked about."""

_STRETCH_BITS = 26
"""A stretch is 2**26 ns, about 67 ms: few alarms outlive it without being answered."""


class Alarms:
    """Alarms that are set, asked for in the order of their times."""

    def __init__(self, stands: Callable[[Alarm], bool]) -> None:
        """``stands`` tells whether an alarm has not been answered or set anew since."""
        self.first = math.inf
        """Nothing rings before this."""
        self._stands = stands
        self._due: list[Alarm] = []
        self._later: dict[int, list[Alarm]] = {}
        self._stretches: list[int] = []

    def set(self, alarm: Alarm) -> None:
        """Let an alarm wait for its time."""
        stretch = alarm[0] >> _STRETCH_BITS
        later = self._later.get(stretch)
        if later is not None:
            later.append(alarm)
            return
        self._later[stretch] = [alarm]
        heapq.heappush(self._stretches, stretch)
        self.first = min(self.first, stretch << _STRETCH_BITS)

    def ringing(self, before: float) -> Iterator[Alarm]:
        """Take the alarms whose time lies before ``before`` and that stand when their turn comes, in order."""
        while self.first < before:
            self._begin(before)
            if self._due and self._due[0][0] < before:
                alarm = heapq.heappop(self._due)
                self._look()
                if self._stands(alarm):
                    yield alarm

    def _begin(self, before: float) -> None:
        """Sort what still stands of every stretch that begins before ``before``."""
        while self._stretches and self._stretches[0] << _STRETCH_BITS < before:
            for alarm in self._later.pop(heapq.heappop(self._stretches)):
                if self._stands(alarm):
                    heapq.heappush(self._due, alarm)
        self._look()

    def _look(self) -> None:
        due = self._due[0][0] if self._due else math.inf
        later = self._stretches[0] << _STRETCH_BITS if self._stretches else math.inf
        self.first = min(due, later)
