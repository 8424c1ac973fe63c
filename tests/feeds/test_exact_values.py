"""Times and prices from text: exact, and the same by column as one by one."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.feeds.files import exact_values
from monitor.wire.blocks import ABSENT

DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=9)
NANOS = st.integers(-(2**62), 2**62)


@given(DECIMALS)
def test_a_price_is_what_decimal_says(value: Decimal) -> None:
    assert exact_values.price_of(str(value)) == int(value.scaleb(9))
    assert exact_values.price_of(f"{value:f}") == int(value.scaleb(9))


@given(
    st.lists(
        st.one_of(DECIMALS.map(str), st.sampled_from(["", "x", "1e-3", "1e40", "nan", " 7 ", "0.12345678949", "--1"]))
    )
)
def test_a_column_of_prices_is_read_as_one_by_one(texts: list[str]) -> None:
    values, wrong = exact_values.prices(pa.array([t.encode() for t in texts], pa.binary()))
    for text, value, bad in zip(texts, values.tolist(), wrong.tolist(), strict=True):
        try:
            one = exact_values.price_of(text)
        except ValueError:
            assert bad
        else:
            assert not bad
            assert value == (ABSENT if one is None else one)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("183.63", 183_630_000_000), (".5", 5 * 10**8), ("1e-9", 1), ("0.0000000005", 0), ("0.0000000015", 2), ("-0", 0)],
)
def test_prices_worth_a_look(text: str, nanos: int) -> None:
    assert exact_values.price_of(text) == nanos


@given(st.floats(0.0001, 900_000.0).map(lambda x: round(x, 4)))
def test_a_float_is_the_decimal_it_was_written_as(value: float) -> None:
    values, wrong = exact_values.shortest(pa.array([value]))
    assert not wrong.any()
    assert values[0] == int(Decimal(repr(value)).scaleb(9))


def test_a_float_of_32_bits_too() -> None:
    assert exact_values.shortest(pa.array([183.63], pa.float32()))[0].tolist() == [183_630_000_000]


@given(NANOS, st.sampled_from(["T", " "]), st.sampled_from(["", "Z", "+00:00", "-0000", "z"]))
def test_a_time_is_what_numpy_says(nanos: int, between: str, zone: str) -> None:
    text = str(np.datetime64(nanos, "ns")).replace("T", between) + zone
    assert exact_values.time_of(text) == nanos
    assert exact_values.times(pa.array([text, str(np.datetime64(nanos, "ns"))]))[0].tolist() == [nanos, nanos]


@given(NANOS.map(lambda n: n // 10**9), st.integers(-23 * 60, 23 * 60))
def test_an_offset_is_taken_off(seconds: int, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{np.datetime64(seconds + minutes * 60, 's')}{sign}{hours:02}:{rest:02}"
    assert exact_values.time_of(text) == seconds * 10**9


SOME = ["1", "-5", "2013-10-07T13:30:00Z", "2013-10-07 13:30:00.5", "20160525 13:30:00.023", "2013-10-07T09:30-0400"]
BAD = ["", "x", "2013-13-07T13:30:00Z", "2013-10-07", "2013-10-07T24:00:00Z", "2013-10-07T13:30:60Z", "9" * 19, "1.5"]


@given(st.lists(st.sampled_from(SOME + BAD)))
def test_a_column_of_times_is_read_as_one_by_one(texts: list[str]) -> None:
    values, wrong = exact_values.times(pa.array([t.encode() for t in texts], pa.binary()))
    for text, value, bad in zip(texts, values.tolist(), wrong.tolist(), strict=True):
        try:
            one = exact_values.time_of(text)
        except ValueError:
            assert bad or (text == "" and value == ABSENT)
        else:
            assert (value, bad) == (one, False)


@pytest.mark.parametrize("text", BAD[1:])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        exact_values.time_of(text)
    assert exact_values.times(pa.array([text]))[1].tolist() == [True]


def test_times_beyond_64_bits_are_refused() -> None:
    assert exact_values.times(pa.array(["2300-01-01T00:00:00Z", "2013-10-07T13:30:00Z"]))[1].tolist() == [True, False]
