"""How many messages may go out now. Pure."""

from __future__ import annotations


class Pace:
    """Lets at most ``burst`` messages go at once, and ``rate`` a second; None: as fast as they are taken.

    Times are seconds of one clock that never goes back.
    """

    def __init__(self, rate: float | None, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._allowance = 0.0
        self._counted_at = 0.0

    def allowed(self, now: float) -> int:
        """How many messages may go."""
        self._count(now)
        return self._burst if self._rate is None else int(self._allowance)

    def pause(self, now: float) -> float:
        """Seconds until a message may go; 0 when one may."""
        self._count(now)
        if self._rate is None or self._allowance >= 1:
            return 0.0
        return (1 - self._allowance) / self._rate

    def gone(self, messages: int) -> None:
        """So many have gone."""
        self._allowance -= messages

    def _count(self, now: float) -> None:
        if self._rate is not None:
            self._allowance = min(self._burst, self._allowance + (now - self._counted_at) * self._rate)
            self._counted_at = now
