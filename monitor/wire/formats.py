"""How rules write amounts in titles and limits, for a person."""

from __future__ import annotations

from decimal import Decimal

NANO = 1_000_000_000


def duration(ns: int) -> str:
    """``312 ms``, ``1.5 s``, ``40 µs``: three significant figures in the unit that suits."""
    for size, unit in ((NANO, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}" if abs(ns) < 1000 * size else f"{round(ns / size)} {unit}"
    return f"{ns} ns"


def dollars(nano: int) -> str:
    """``10.0123``: at least two decimals, never rounded."""
    sign, (whole, rest) = "-" if nano < 0 else "", divmod(abs(nano), NANO)
    return f"{sign}{whole}.{f'{rest:09}'.rstrip('0').ljust(2, '0')}"


def nano(amount: Decimal) -> int:
    """An amount in dollars as an integer in 1e-9 of them; finer digits are cut."""
    return int(amount * NANO)
