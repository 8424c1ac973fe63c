"""The columnar book against independent joins, published vectors and brute force."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.engine.orders import Window
from monitor.engine.quote_book import Book, quote_of
from monitor.wire.blocks import ABSENT, Block
from tests import SHARED
from tests.engine.generated_days import Row, block, seeded

SHARED = SHARED / "data"
randoms = st.integers(0, 2**32).map(seeded)
SYMBOLS = ("A", "B", "C", "D")


def rows_of(rnd: Random, count: int) -> list[Row]:
    times = sorted(rnd.randrange(60) for _ in range(count))
    return [Row(time, rnd.choice(SYMBOLS), price(rnd), price(rnd)) for time in times]


def price(rnd: Random) -> int:
    return rnd.choice((ABSENT, 0, -5, *range(90, 110)))


def cut(source: str, rows: list[Row], rnd: Random) -> list[Block]:
    """Blocks of any length, numbered from 0."""
    blocks, start = [], 0
    while start < len(rows):
        stop = start + rnd.randrange(1, 8)
        blocks.append(block(source, rows[start:stop], len(blocks)))
        start = stop
    return blocks


def filled_book(rnd: Random, reach: int = 0) -> tuple[Book, list[Row]]:
    """A book, and its rows in the order in which they count: (time, source, place)."""
    sources = {name: rows_of(rnd, rnd.randrange(40)) for name in ("x", "y")}
    blocks = [(name, b) for name, rows in sources.items() for b in cut(name, rows, rnd)]
    arriving = {name: [b for n, b in blocks if n == name] for name in sources}
    book, token = Book(reach), 0
    while any(arriving.values()):
        name = rnd.choice([n for n, left in arriving.items() if left])
        book.add(arriving[name].pop(0), token)
        token += 1
    return book, sorted((r for name in ("x", "y") for r in sources[name]), key=lambda r: r.time)


@settings(max_examples=200, deadline=None)
@given(randoms, st.booleans())
def test_quotes_are_those_of_an_offline_join_however_far_the_book_is_settled(rnd: Random, inclusive: bool) -> None:
    book, rows = filled_book(rnd)
    table = pl.DataFrame(
        {
            "at": [r.time for r in rows],
            "symbol": [r.symbol for r in rows],
            "place": range(len(rows)),
        },
        schema={"at": pl.Int64, "symbol": pl.String, "place": pl.Int64},
    ).unique(["at", "symbol"], keep="last", maintain_order=True)
    asked_to = 0
    while asked_to < 60:
        times = sorted(rnd.randrange(asked_to, 64) for _ in range(rnd.randrange(1, 8)))
        asked = [(time, rnd.choice((*SYMBOLS, "never quoted"))) for time in times]
        found = book.quotes([s for _, s in asked], times, inclusive=inclusive)
        joined = (
            pl.DataFrame({"at": times, "symbol": [s for _, s in asked]})
            .sort("at", maintain_order=True)
            .join_asof(table.sort("at"), on="at", by="symbol", allow_exact_matches=inclusive, check_sortedness=False)
        )
        for row, place in zip(found, joined["place"], strict=True):
            expected = None if place is None else (rows[place].time, rows[place].bid, rows[place].ask)
            assert (None if row[0] == ABSENT else tuple(row[:3])) == expected
        asked_to = times[-1] + 1
        book.settle(asked_to, eager=rnd.random() < 0.5)


@settings(max_examples=100, deadline=None)
@given(randoms)
def test_blocks_of_one_source_that_overlap_or_come_in_any_order_count_by_time_and_number(rnd: Random) -> None:
    numbered = [(n, rows_of(rnd, rnd.randrange(1, 5))) for n in range(12)]
    book, arrived = Book(), numbered.copy()
    rnd.shuffle(arrived)
    for token, (n, rows) in enumerate(arrived):
        book.add(block("x", rows, n), token)
    in_order = sorted((row.time, n, i, row) for n, rows in numbered for i, row in enumerate(rows))
    for at in range(0, 62, 7):
        for symbol in SYMBOLS:
            known = [row for time, _, _, row in in_order if time < at and row.symbol == symbol]
            found = book.quotes([symbol], [at], inclusive=False)[0]
            assert found[:3] == ([known[-1].time, known[-1].bid, known[-1].ask] if known else [ABSENT] * 3)
        book.settle(at, eager=rnd.random() < 0.7)
    assert book.first_waiting() is None or book.base is not None


@settings(max_examples=200, deadline=None)
@given(randoms)
def test_windows_hold_the_extremes_around_an_instant(rnd: Random) -> None:
    reach = rnd.randrange(1, 20)
    book, rows = filled_book(rnd, reach)
    settled = 0
    while settled < 60:
        count = rnd.randrange(1, 6)
        times = sorted(rnd.randrange(settled, 64) for _ in range(count))
        symbols = [rnd.choice((*SYMBOLS, "never quoted")) for _ in times]
        spans = [rnd.randrange(-1, reach + 1) for _ in times]
        quotes, windows = book.look(symbols, times, spans, inclusive=False)
        for at, symbol, span, quote, window in zip(times, symbols, spans, quotes, windows, strict=True):
            assert window == extremes(rows, symbol, at, span, quote)
        settled = times[-1]
        book.settle(settled, eager=True)


def extremes(rows: list[Row], symbol: str, at: int, span: int, quote: list[int]) -> Window | None:
    """By walking over every row."""
    if span < 0 or (span == 0 and quote[0] == ABSENT):
        return None
    own = [r for r in rows if r.symbol == symbol]
    before = [r for r in own if r.time < at - span]
    inside = [r for r in own if at - span <= r.time <= at + span] if span else []
    counted = [*before[-1:], *inside] if span else [r for r in own if r.time < at][-1:]
    bids, asks = [r.bid for r in counted if r.bid > 0], [r.ask for r in counted if r.ask > 0]
    return Window(
        low_bid=min(bids, default=None),
        high_bid=max(bids, default=None),
        low_ask=min(asks, default=None),
        high_ask=max(asks, default=None),
    )


def test_a_late_row_counts_from_now_on_where_it_is_newer_than_what_is_known() -> None:
    book = Book()
    book.add(block("x", [Row(10, "A", 100, 101), Row(50, "B", 200, 201)]), 0)
    book.settle(60, eager=True)
    book.add(block("x", [Row(20, "A", 102, 103), Row(40, "B", 190, 191)], 1), 1)
    assert book.late == 2
    assert [row[:3] for row in book.quotes(["A", "B"], [70, 70], inclusive=False)] == [[20, 102, 103], [50, 200, 201]]


def test_blocks_that_overlap_are_settled_by_time() -> None:
    book = Book()
    book.add(block("x", [Row(30, "A", 3, 4), Row(50, "A", 5, 6)]), 0)
    book.add(block("y", [Row(40, "A", 7, 8), Row(45, "A", 9, 10)]), 1)
    book.settle(48, eager=True)
    assert book.quotes(["A"], [48], inclusive=False)[0][:3] == [45, 9, 10]
    assert book.first_waiting() == 0


def test_what_was_settled_survives_in_columns() -> None:
    book, _ = filled_book(seeded(7))
    book.settle(40, eager=True)
    other = Book()
    other.restore(*book.columns(), book.base)
    assert other.quotes(SYMBOLS, [40] * 4, inclusive=False) == book.quotes(SYMBOLS, [40] * 4, inclusive=False)


@pytest.mark.parametrize(
    ("bid", "ask", "at", "state"),
    [
        (100, 101, 10, "ok"),
        (101, 101, 10, "locked"),
        (102, 101, 10, "crossed"),
        (ABSENT, 101, 10, "one_sided"),
        (100, 0, 10, "one_sided"),
        (-1, 101, 10, "one_sided"),
        (100, 101, 5 + 20, "ok"),
        (100, 101, 5 + 21, "stale"),
        (102, 101, 5 + 21, "stale"),
        (ABSENT, ABSENT, 10, "one_sided"),
    ],
)
def test_the_state_of_a_quote(bid: int, ask: int, at: int, state: str) -> None:
    quote = quote_of([5, bid, ask, 1, ABSENT], at, stale_after_ns=20)
    assert quote.state == state
    assert quote.bid == (bid if bid > 0 else None)
    assert quote.ask_size is None


def test_no_row_is_no_quote_and_a_silent_source_makes_it_stale() -> None:
    assert quote_of([ABSENT] * 5, 10, 20).state == "none"
    assert quote_of([5, 100, 101, 1, 1], 10, 20, silent_since=9).state == "stale"
    assert quote_of([5, 100, 101, 1, 1], 10, 20, silent_since=10).state == "ok"


def vectors() -> list[dict[str, Any]]:
    path = SHARED / "asof-vectors/vectors.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def seconds(text: str | float) -> int:
    if not isinstance(text, str):
        return round(float(text) * 1e9)
    hours, minutes, rest = text.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * 10**9 + int(Decimal(rest) * 10**9)


def of(rows: list[list[Any]], values: list[int]) -> Book:
    """A book with one block, the place of each row as its bid."""
    book = Book()
    book.add(block("x", [Row(seconds(r[0]), str(r[1]), v, v + 1) for r, v in zip(rows, values, strict=True)]), 0)
    return book


@pytest.mark.skipif(not vectors(), reason="the published vectors are not on this machine")
@pytest.mark.parametrize("vector", [v for v in vectors() if v.get("by") and v["right"]], ids=lambda v: v["id"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    right, left = vector["right"], vector["left"]
    book = of(right, [i + 1 for i in range(len(right))])
    tolerance = vector.get("tolerance_s", 10**6) * 10**9
    if vector["id"] == "pandas-exact":
        (at, symbol, _), times = left[0], [r[0] for r in right]
        for inclusive, name in ((True, "inclusive_quote_time"), (False, "strict_quote_time")):
            row = book.quotes([symbol], [seconds(at)], inclusive=inclusive)[0]
            assert times[row[1] - 1] == vector["expected"][name]
        return
    found = book.quotes([str(r[1]) for r in left], [seconds(r[0]) for r in left], inclusive=True)
    places = [
        None if row[0] == ABSENT or seconds(at[0]) - row[0] > tolerance else row[1] - 1
        for at, row in zip(left, found, strict=True)
    ]
    expected = vector["expected"]
    if isinstance(expected, dict):
        expected = expected["quote"]
    values = [None if p is None else right[p][2 if len(right[p]) > 2 else 0] for p in places]
    assert values == [e[-1] if isinstance(e, list) else e for e in expected]


@pytest.mark.skipif(not (SHARED / "asof-pandas").exists(), reason="the published trades are not on this machine")
def test_real_trades_of_three_symbols_in_one_millisecond() -> None:
    def read(name: str) -> list[dict[str, str]]:
        with (SHARED / "asof-pandas" / name).open() as lines:
            return list(csv.DictReader(lines))

    def at(row: dict[str, str]) -> int:
        moment = datetime.strptime(row["time"], "%Y%m%d %H:%M:%S.%f").replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000 + 0.5) * 10**6

    def cents(text: str) -> int | None:
        return int(Decimal(text) * 100) if text else None

    quotes = [Row(at(q), q["ticker"], cents(q["bid"]) or ABSENT, cents(q["ask"]) or ABSENT) for q in read("quotes.csv")]
    book = Book()
    book.add(block("x", quotes), 0)
    expected = read("asof.csv")
    found = book.quotes([t["ticker"] for t in expected], [at(t) for t in expected], inclusive=True)
    for trade, row in zip(expected, found, strict=True):
        assert tuple(None if v == ABSENT else v for v in row[1:3]) == (cents(trade["bid"]), cents(trade["ask"]))


def test_columns_grow_with_the_symbols() -> None:
    book, names = Book(), tuple(f"S{i}" for i in range(70_000))
    book.add(
        Block(
            source="x",
            n=0,
            symbols=names,
            time=np.arange(70_000, dtype=np.int64),
            symbol=np.arange(70_000, dtype=np.int32),
            bid=np.arange(1, 70_001, dtype=np.int64),
            ask=np.arange(2, 70_002, dtype=np.int64),
            bid_size=np.ones(70_000, np.int64),
            ask_size=np.ones(70_000, np.int64),
        ),
        0,
    )
    assert book.quotes(["S69999", "S0"], [80_000, 80_000], inclusive=False)[0][1] == 70_000
    book.settle(80_000, eager=True)
    assert book.quotes(["S69999"], [80_000], inclusive=False)[0][1] == 70_000
