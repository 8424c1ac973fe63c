"""Real days of quotes and trades, each trade told as an order: in reports of ours, and as a FIX log.

The files may not be copied into the project: of what is answered only counts and digests are kept.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tests import SHARED
from tests.golden.answers import Told, fix_time_of, of_files, write_log
from tests.golden.days import MS, Record
from tests.lean_tape import TRADE, lines

DATA = SHARED / "data/quotes-lean-algoseek/ibm"
ABSENT = f"the real quotes are not on this machine: {DATA}"
DAYS = ("20131007", "20131008")
TIES = ("before", "at-or-before")
OPEN_MS, CLOSE_MS = 34_200_000, 57_600_000
MOST, MOST_FIX = 4000, 2000
"""About so many trades of a day are told in reports of ours, and as a FIX log, which takes longer."""


def items() -> dict[str, Callable[[], Told]]:
    """What to ask, by symbol, day, tie rule and how the orders are told."""
    asked: dict[str, Callable[[], Told]] = {}
    for day in DAYS:
        for ties in TIES:
            asked[f"IBM {day} {ties} reports"] = partial(_answers, day, ties, "day.jsonl", _reports)
            asked[f"IBM {day} {ties} fix"] = partial(_answers, day, ties, "day.log", _fix)
    return asked


def _answers(day: str, ties: str, name: str, write: Callable[[str, Path], None]) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(day, path)
        return of_files(f"lean:{DATA / f'{day}_quote.zip'}", path, ties)


def _reports(day: str, path: Path) -> None:
    """Some trades of the day, bought and sold in turn, with latencies of 5, 3 and 1 ms before the fill."""
    trades = lines(DATA / f"{day}_trade.zip", TRADE)
    some = trades.gather_every(max(1, len(trades) // MOST)).select("at", "size", "price")
    with path.open("w", encoding="utf-8") as out:
        for n, (at, size, price) in enumerate(some.iter_rows()):
            out.writelines(json.dumps(record) + "\n" for record in _order(day, n, at, str(size), price))


def _order(day: str, n: int, at: int, qty: str, price: int) -> Iterator[Record]:
    told = {"source": day, "session": "S", "symbol": "IBM", "side": "buy" if n % 2 else "sell", "clock": "tape"}
    child = told | {"order_id": f"{day}-{n}-1", "parent_id": f"{day}-{n}"}
    steps: list[tuple[int, Record]] = [
        (5, told | {"kind": "received", "order_id": f"{day}-{n}", "qty": qty, "ord_type": "market"}),
        (3, child | {"kind": "routed", "qty": qty, "venue": "ARCX"}),
        (1, child | {"kind": "acked"}),
        (0, child | {"kind": "filled", "exec_id": f"E{n}", "qty": qty, "price": price, "venue": "ARCX"}),
    ]
    for step, (before_ms, record) in enumerate(steps):
        then = at - before_ms * MS
        yield record | {"n": 4 * n + step, "at": then, "seen": then}


def _fix(day: str, path: Path) -> None:
    """Some trades of regular hours in messages by time; bought at or above the price of the trade before, else sold."""
    frame = lines(DATA / f"{day}_trade.zip", TRADE)
    frame = frame.filter((pl.col("ms") >= OPEN_MS) & (pl.col("ms") < CLOSE_MS)).with_row_index("number")
    frame = frame.with_columns(buy=(pl.col("price") >= pl.col("price").shift(1)).fill_null(True))
    some = frame.gather_every(max(1, len(frame) // MOST_FIX))
    timed = [
        (at, step, row["number"], fields) for row in some.to_dicts() for step, (at, fields) in enumerate(_messages(row))
    ]
    write_log(path, [fields for _, _, _, fields in sorted(timed, key=lambda item: item[:3])])


def _messages(row: dict[str, Any]) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """The receipt, route, acknowledgement and fill of a trade, 12, 10, 4 and 0 ms before it, each with its time."""
    number, at, size = row["number"], row["at"], str(row["size"])
    terms = [(55, "IBM"), (54, "1" if row["buy"] else "2"), (38, size), (40, "1"), (59, "0")]
    ids = [(35, "8"), (37, f"B{number}"), (11, f"R{number}"), (526, f"P{number}")]
    price = f"{row['price'] // 10**9}.{row['price'] % 10**9:09d}"
    last = [(32, size), (31, price), (30, row["letter"]), (14, size), (151, "0"), (6, "0")]
    bodies = (
        (12, [(35, "D"), (11, f"P{number}"), *terms]),
        (10, [(35, "D"), (11, f"R{number}"), (526, f"P{number}"), (100, row["letter"]), *terms]),
        (4, [*ids, (17, f"A{number}"), (150, "0"), (39, "0"), *terms]),
        (0, [*ids, (17, f"E{number}"), (150, "F"), (39, "2"), *terms, *last]),
    )
    for before_ms, fields in bodies:
        then = at - before_ms * MS
        yield then, [*fields, (60, fix_time_of(then))]
