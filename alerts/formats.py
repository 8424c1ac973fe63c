"""Figures as a person reads them: times, durations, money, shares, and evidence by the unit in its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeGuard

from monitor.wire.events import Certainty, Finding

SURE: dict[Certainty, str] = {
    "confirmed": "confirmed: it holds whatever the clocks' errors within their budgets",
    "possible": "possible: it depends on errors of the clocks that are within their budgets",
    "cannot_tell": "cannot tell: the NBBO, or what was reported, is not enough to judge by",
}
NO_ANSWER = "unknown"
RATIOS = {"eq": "E/Q (effective over quoted spread)"}
_NANO = 1_000_000_000
_INSTANT = 10**17
"""A whole number of nanoseconds beyond three years is a time, not a duration."""
_STEPS = ((3_600 * _NANO, "h"), (60 * _NANO, "min"), (_NANO, "s"), (1_000_000, "ms"), (1_000, "µs"))


def instant(ns: int | None) -> str:
    """``2013-10-07 13:30:00.123456789 UTC``, trailing zeros of the fraction left out by threes."""
    if ns is None:
        return NO_ANSWER
    return f"{day(ns)} {clock(ns)} UTC"


def day(ns: int) -> str:
    """``2013-10-07``."""
    moment = _moment(ns)
    return f"{ns} ns" if moment is None else moment.strftime("%Y-%m-%d")


def clock(ns: int) -> str:
    """``13:30:00.123``: time of day in UTC, as fine as it is known."""
    fraction = f"{ns % _NANO:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    moment = _moment(ns)
    if moment is None:
        return f"{ns} ns"
    whole = moment.strftime("%H:%M:%S")
    return f"{whole}.{fraction}" if fraction != "" else whole


def duration(ns: int | None) -> str:
    """``312 ms``, ``1.5 s``, ``2 min``: four digits at most."""
    if ns is None:
        return NO_ANSWER
    sign, size = ("-", -ns) if ns < 0 else ("", ns)
    for unit, name in _STEPS:
        if size >= unit:
            return f"{sign}{_short(Decimal(size) / unit)} {name}"
    return f"{sign}{size} ns"


def ago(then: int | None, now: int) -> str:
    """``3 s ago``, ``2 min ago``."""
    if then is None:
        return "never"
    seconds = (now - then) // _NANO
    if seconds < 1:
        return "just now"
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name} ago"
    return f"{seconds} s ago"


def price(nano: int | None) -> str:
    """``187.05``: at least two decimals, as many as it has."""
    if nano is None:
        return NO_ANSWER
    whole, fraction = divmod(abs(nano), _NANO)
    decimals = f"{fraction:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole:,}.{decimals}"


def money(nano: int | None) -> str:
    """``$12.35``: to the cent, and finer below a dollar."""
    if nano is None:
        return NO_ANSWER
    size = abs(nano)
    sign = "-" if nano < 0 else ""
    if 0 < size < _NANO:
        return f"{sign}${price(size)}"
    cents = (size * 100 + _NANO // 2) // _NANO
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def dollars(nano: int) -> str:
    """``$187.05``: a price or an amount a share, exact."""
    return f"{'-' if nano < 0 else ''}${price(abs(nano))}"


def shares(quantity: Decimal | None) -> str:
    """``1,200``, ``0.5``."""
    if quantity is None:
        return NO_ANSWER
    text = f"{quantity:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def arrows(text: str) -> str:
    """``route → ack`` for ``route->ack``."""
    return text.replace(" -> ", "->").replace("->", " → ")


def unitless(name: str) -> str:
    """The name of a limit without the unit its value repeats: ``route to ack`` for ``route_to_ack_ms``."""
    stem, _, unit = name.rpartition("_")
    return (stem if unit in ("ms", "s", "usd") and stem != "" else name).replace("_", " ")


def many(n: int, one: str, more: str | None = None) -> str:
    """``1 order``, ``2 orders``."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {more if more is not None else one + 's'}"


def evidence(facts: Mapping[str, int | float | str | bool | None]) -> list[tuple[str, str]]:
    """Each fact with its name in words and its value by the unit its name ends in."""
    return [_fact(name, value) for name, value in facts.items()]


def side(finding: Finding) -> str:
    """``buy 300 IBM``."""
    what = "order in" if finding.side is None else finding.side.replace("_", " ")
    quantity = "" if finding.qty is None else f"{shares(finding.qty)} "
    return f"{what} {quantity}{finding.symbol}"


def _moment(ns: int) -> datetime | None:
    """The second, or None when no calendar has it."""
    try:
        return datetime.fromtimestamp(ns // _NANO, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _fact(name: str, value: int | float | str | bool | None) -> tuple[str, str]:
    stem, _, unit = name.rpartition("_")
    if unit == "ns" and _whole(value):
        return _title(stem), instant(value) if abs(value) > _INSTANT else duration(value)
    if unit == "nano" and _whole(value):
        return _title(stem), dollars(value)
    if unit == "ratio" and isinstance(value, int | float) and not isinstance(value, bool):
        return RATIOS.get(stem, _title(stem)), f"{value:.0%}"
    if unit == "shares" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{_title(stem)} (shares)", shares(Decimal(str(value)))
    return _title(stem if unit in ("ns", "nano", "shares") else name), _plain(value)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: int | float | str | bool | None) -> str:
    if value is None:
        return NO_ANSWER
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else arrows(value)


def _title(name: str) -> str:
    return arrows(name).replace("_", " ")


def _short(value: Decimal) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
