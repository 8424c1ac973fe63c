from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.decode.field_values import price, quantity, time_ns, whole

NOON = 1_793_707_200_000_000_000  # 2026-11-03 12:00 UTC


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("20261103-12:00:00", 0),
        ("20261103-12:00:00.5", 500_000_000),
        ("20261103-12:00:00.001", 1_000_000),
        ("20261103-12:00:00.000001", 1_000),
        ("20261103-12:00:00.000000001", 1),
        ("20261103-12:00:00.123456789999", 123_456_789),
        ("20261103-12:00:59.999999999", 59_999_999_999),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, extra: int) -> None:
    assert time_ns(text) == NOON + extra


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261103",
        "20261103-12:00",
        "20261103-12:00:60",
        "20161231-23:59:60",
        "20261103-24:00:00",
        "20261131-12:00:00",
        "20230229-12:00:00",
        "20261103-12:00:00.",
        "20261103-12:00:00.1234567890123",
        "20261103-12:00:00.1x",
        "20261103-12:00:00,123",
        "20261103 12:00:00",
        " 20261103-12:00:00",
        "20261103-12:00:00Z",
        "20261103-1٢:00:00",
        "00000000-00:00:00",
        "19691231-23:59:59",
        "99991231-23:59:59",
    ],
)
def test_what_is_not_a_time_is_none(text: str) -> None:
    assert time_ns(text) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2261, 12, 31)))
def test_times_agree_with_the_calendar(moment: datetime) -> None:
    whole_us = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert time_ns(f"{moment:%Y%m%d-%H:%M:%S.%f}".rjust(24, "0")) == whole_us * 1_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("181.25", 181_250_000_000),
        ("181.2300", 181_230_000_000),
        ("0.0001", 100_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("-0.01", -10_000_000),
        ("00012", 12_000_000_000),
        ("0.1", 100_000_000),
        ("99.99279924932014", 99_992_799_249),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.00000000150", 2),
        ("0.00000000051", 1),
        ("1.9999999999", 2_000_000_000),
    ],
)
def test_prices_are_exact(text: str, value: int) -> None:
    assert price(text) == value


@pytest.mark.parametrize("text", ["", ".", "-", "MARKET", "1e5", "1,5", "+1", "--1", "1.2.3", "1٢", "NaN", "9" * 13])
def test_what_is_not_a_price_is_none(text: str) -> None:
    assert price(text) is None


@given(st.integers(-(10**18), 10**18))
def test_every_price_of_nine_decimals_is_read_back(value: int) -> None:
    assert price(f"{Decimal(value).scaleb(-9):f}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3500.0000000000", "3500"),
        ("734316.83", "734316.83"),
        ("0", "0"),
        ("-0.0", "0"),
        ("0100", "100"),
        (".5", "0.5"),
    ],
)
def test_quantities_have_one_form(text: str, value: str) -> None:
    read = quantity(text)
    assert read is not None
    assert str(read) == value


def test_a_quantity_the_decimal_context_would_round_is_none() -> None:
    assert quantity("1" * 27) == Decimal("1" * 27)
    assert quantity("1" * 28) is None


@given(st.text())
def test_no_text_makes_them_raise(text: str) -> None:
    for reader in (time_ns, price, quantity, whole):
        reader(text)


def test_sequence_numbers_are_digits() -> None:
    assert whole("42") == 42
    assert [whole(text) for text in ("", "-1", "4.2", "²", "9" * 19)] == [None] * 5
