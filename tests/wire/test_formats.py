"""Amounts as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.wire.formats import dollars, duration, nano


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (40_000, "40 µs"),
        (1_234_567, "1.23 ms"),
        (312_000_000, "312 ms"),
        (1_500_000_000, "1.5 s"),
        (3_600_000_000_000, "3600 s"),
        (-2_000_000, "-2 ms"),
    ],
)
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (10_012_300_000, "10.0123"), (-30_000_000, "-0.03"), (1, "0.000000001"), (10**12, "1000.00")],
)
def test_dollars(amount: int, text: str) -> None:
    assert dollars(amount) == text


@given(st.integers(-(10**18), 10**18))
def test_dollars_lose_nothing(amount: int) -> None:
    assert nano(Decimal(dollars(amount))) == amount
