"""Times and prices as FIX writes them."""

from __future__ import annotations

from datetime import UTC, datetime

NANOS = 10**9


def fix_time(at: int) -> str:
    """UTCTimestamp with nine digits of fraction from ns UTC."""
    seconds, nanos = divmod(at, NANOS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{nanos:09d}"


def price_text(price: int) -> str:
    """A price in 1e-9 of the currency as a decimal, without idle zeros beyond cents."""
    whole, rest = divmod(abs(price), NANOS)
    digits = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if price < 0 else ''}{whole}.{digits}"
