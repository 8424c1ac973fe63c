"""Times that are counted in something else than ns: never taken for 1970, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

SECOND = 10**9
ROWS = [reference.Row(reference.OPEN + i * SECOND, "IBM", (100 + i) * SECOND, (101 + i) * SECOND) for i in range(60)]
FILL = {11: "C", 17: "E", 55: "IBM", 54: "1", 150: "F", 32: "1", 31: "2", 60: "@"}
LOG = reference.fix([reference.Said(reference.OPEN + 5 * SECOND + 1, "8", FILL)])
UNITS = {"s": (SECOND, "seconds"), "ms": (10**6, "milliseconds"), "us": (1000, "microseconds")}
HEADER = "time,symbol,bid,ask\n"


def csv(stranger: ReplayCli, times: list[Any], header: str = HEADER) -> str:
    lines = [
        f"{t},{r.symbol},{reference.money(r.bid)},{reference.money(r.ask)}\n" for t, r in zip(times, ROWS, strict=True)
    ]
    return f"csv:{stranger.write('q.csv', header + ''.join(lines))}"


def parquet(stranger: ReplayCli, times: list[Any]) -> str:
    table = {"time": times, "symbol": ["IBM"] * 60, "bid": [r.bid // SECOND for r in ROWS if r.bid is not None]}
    pq.write_table(pa.table(table | {"ask": [500] * 60}), stranger.folder / "q.parquet")
    return f"parquet:{stranger.folder / 'q.parquet'}"


@pytest.mark.parametrize("write", [csv, parquet], ids=["csv", "parquet"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_count_that_is_not_ns_is_refused_until_its_unit_is_named(stranger: ReplayCli, unit: str, write: Any) -> None:
    scale, name = UNITS[unit]
    notation = write(stranger, [r.time // scale for r in ROWS])
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG)) == command_line.USAGE
    line = 2 if notation.startswith("csv") else 1
    assert stranger.said.startswith(f"{notation.partition(':')[2]}:{line}: time {ROWS[0].time // scale} would be a day")
    assert f"looks like {name}: add ?time_unit={unit} after the path" in stranger.said
    assert (
        stranger.replay("--quotes", f"{notation}?time_unit={unit}", "--fix-log", stranger.log(LOG)) == command_line.OK
    )
    (execution,) = reference.told(stranger.executions)
    assert (execution["quote_at"], execution["bid"]) == (ROWS[5].time, ROWS[5].bid)
    assert stranger.replay("--quotes", f"{notation}?time_unit=ns", "--fix-log", stranger.log(LOG)) == command_line.OK
    assert stranger.summary["quote_states"] == {"stale": 1}


def test_a_count_without_a_header(stranger: ReplayCli) -> None:
    notation = csv(stranger, [r.time // 1000 for r in ROWS], "")
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG)) == command_line.USAGE
    assert "q.csv:1: time " in stranger.said
    assert stranger.replay("--quotes", f"{notation}?time_unit=us", "--fix-log", stranger.log(LOG)) == command_line.OK
    assert stranger.summary["quote_states"] == {"ok": 1}


@pytest.mark.parametrize("header", [HEADER, ""])
@pytest.mark.parametrize(("unit", "digits"), [("s", 9), ("ms", 6), ("us", 3)])
def test_a_count_with_decimals_is_read_exactly(stranger: ReplayCli, unit: str, digits: int, header: str) -> None:
    times = [Decimal(r.time + 3).scaleb(-digits) for r in ROWS]
    notation = csv(stranger, times, header)
    assert (
        stranger.replay("--quotes", f"{notation}?time_unit={unit}", "--fix-log", stranger.log(LOG)) == command_line.OK
    )
    assert reference.told(stranger.executions)[0]["quote_at"] == ROWS[4].time + 3


@pytest.mark.parametrize(
    "times",
    [
        pa.array([r.time / SECOND for r in ROWS]),
        pa.array([Decimal(r.time).scaleb(-9) for r in ROWS], pa.decimal128(20, 9)),
        pa.array([r.time // SECOND for r in ROWS], pa.int32()),
        pa.array([str(r.time // SECOND) for r in ROWS]),
    ],
    ids=["float", "decimal", "int32", "text"],
)
def test_seconds_of_other_kinds_in_parquet(stranger: ReplayCli, times: Any) -> None:
    notation = parquet(stranger, times)
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG)) == command_line.USAGE
    assert stranger.replay("--quotes", f"{notation}?time_unit=s", "--fix-log", stranger.log(LOG)) == command_line.OK
    assert reference.told(stranger.executions)[0]["quote_at"] == ROWS[5].time


def test_iso_times_stay_what_they_are_beside_a_unit(stranger: ReplayCli) -> None:
    times = [reference.iso(r.time) if i % 2 else str(r.time // 10**6) for i, r in enumerate(ROWS)]
    notation = f"{csv(stranger, times)}?time_unit=ms"
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG)) == command_line.OK
    assert stranger.summary["unreadable_quotes"] == {}
    assert reference.told(stranger.executions)[0]["quote_at"] == ROWS[5].time


@pytest.mark.parametrize("form", ["%Y%m%d%H%M%S", "%Y%m%d%H%M%S123"])
def test_a_date_written_as_one_number_is_refused(stranger: ReplayCli, form: str) -> None:
    times = [datetime.fromtimestamp(r.time // SECOND, UTC).strftime(form) for r in ROWS]
    assert stranger.replay("--quotes", csv(stranger, times), "--fix-log", stranger.log(LOG)) == command_line.USAGE
    assert "is a date and a time in one number: write ISO 8601" in stranger.said


@pytest.mark.parametrize("first", [0, 1, 10**9, 34_200 * SECOND, 10**12, 10**15])
def test_made_up_times_near_1970_are_ns(stranger: ReplayCli, first: int) -> None:
    quotes = stranger.quotes([reference.Row(first + i, "IBM", SECOND, 2 * SECOND) for i in range(10)])
    reports = stranger.write("r.jsonl", '{"kind":"tick","source":"s","n":1,"at":1,"seen":1}\n')
    assert stranger.replay("--quotes", quotes, "--reports", str(reports)) == command_line.OK
    assert stranger.summary["quotes"] == 10


def test_a_unit_that_is_none(stranger: ReplayCli, tmp_path: Path) -> None:
    notation = f"{csv(stranger, [r.time for r in ROWS])}?time_unit=minutes&bdi=b&bid="
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG)) == command_line.USAGE
    assert "time_unit=minutes: is one of s, ms, us, ns" in stranger.said
    assert "bdi, bid: write OURS=THEIRS" in stranger.said
