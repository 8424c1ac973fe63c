"""IBM on 7 and 8 October 2013: every regular-hours trade as an order, over FIX, Kafka and Faust, beside the quotes.

Each trade becomes a receipt, a route, an acknowledgement and a fill with fixed latencies of ours. A trade at or above
the one before it is a purchase, else a sale (the tick rule). The truth is an as-of join made by polars from the files
themselves, without any of sorwatch's code.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from monitor.demo.dropcopy import DropCopySource
from monitor.demo.fix_text import fix_time
from monitor.kafka.embedded.broker import Broker
from monitor.wire.events import Execution, Tie
from tests.end_to_end.processes import Rig, rig
from tests.lean_tape import MS, QUOTE, TRADE, lines
from tests.waiting import until

pytestmark = pytest.mark.line

DAYS = ("20131007", "20131008")
BEFORE_FILL_MS = (("received", 12), ("routed", 10), ("acked", 4), ("filled", 0))
OPEN_MS, CLOSE_MS = 34_200_000, 57_600_000
STALE_NS = 300 * 10**9


def trades(folder: Path) -> pl.DataFrame:
    """Regular-hours trades of both days in order of time, with a number each and the tick rule's side."""
    days = []
    for day in DAYS:
        frame = lines(folder / f"{day}_trade.zip", TRADE)
        days.append(frame.filter((pl.col("ms") >= OPEN_MS) & (pl.col("ms") < CLOSE_MS)))
    whole = pl.concat(days).with_row_index("number")
    up = (pl.col("price") >= pl.col("price").shift(1)).fill_null(True)
    return whole.with_columns(buy=up)


def quotes(folder: Path) -> pl.DataFrame:
    """The NBBO after each instant at which it changed: sides carried forward within a day."""
    days = []
    for day in DAYS:
        frame = lines(folder / f"{day}_quote.zip", QUOTE)
        sides = [pl.when(pl.col(s) > 0).then(pl.col(s)).forward_fill() * 10**5 for s in ("bid", "ask")]
        days.append(frame.with_columns(*sides, quote_at=pl.col("at")))
    return (
        pl.concat(days)
        .group_by("quote_at", maintain_order=True)
        .last()
        .select("quote_at", "bid", "ask")
        .sort("quote_at")
    )


def truth(folder: Path, ties: Tie) -> dict[str, dict[str, Any]]:
    """Each fill's quote by polars, and the state that follows from it."""
    joined = trades(folder).sort("at").join_asof(
        quotes(folder), left_on="at", right_on="quote_at", strategy="backward", coalesce=False,
        allow_exact_matches=ties == "at-or-before",
    )  # fmt: skip
    state = (
        pl.when(pl.col("quote_at").is_null()).then(pl.lit("none"))
        .when(pl.col("at") - pl.col("quote_at") > STALE_NS).then(pl.lit("stale"))
        .when(pl.col("bid").is_null() | pl.col("ask").is_null()).then(pl.lit("one_sided"))
        .when(pl.col("bid") > pl.col("ask")).then(pl.lit("crossed"))
        .when(pl.col("bid") == pl.col("ask")).then(pl.lit("locked"))
        .otherwise(pl.lit("ok"))
    )  # fmt: skip
    outside = pl.when(pl.col("buy")).then(pl.col("price") > pl.col("ask")).otherwise(pl.col("price") < pl.col("bid"))
    rows = joined.with_columns(state=state).with_columns(outside=outside & (pl.col("state") == "ok")).to_dicts()
    return {f"E{row['number']}": row for row in rows}


def messages(row: dict[str, Any]) -> list[tuple[int, list[tuple[int, str]]]]:
    """The four drop-copy messages of one trade, each with its time."""
    number, at = row["number"], row["at"]
    when = {what: at - before * MS for what, before in BEFORE_FILL_MS}
    terms = [(55, "IBM"), (54, "1" if row["buy"] else "2"), (38, str(row["size"])), (40, "1"), (59, "0")]
    route = [(11, f"R{number}"), (526, f"P{number}"), (100, row["letter"])]
    ids = [(35, "8"), (37, f"B{number}"), (11, f"R{number}"), (526, f"P{number}")]
    price = f"{row['price'] // 10**9}.{row['price'] % 10**9:09d}"
    last = [(32, str(row["size"])), (31, price), (30, row["letter"]), (14, str(row["size"])), (151, "0"), (6, "0")]
    return [
        (when["received"], [(35, "D"), (11, f"P{number}"), *terms, (60, fix_time(when["received"]))]),
        (when["routed"], [(35, "D"), *route, *terms, (60, fix_time(when["routed"]))]),
        (when["acked"], [*ids, (17, f"A{number}"), (150, "0"), (39, "0"), *terms, (60, fix_time(when["acked"]))]),
        (at, [*ids, (17, f"E{number}"), (150, "F"), (39, "2"), *terms, *last, (60, fix_time(at))]),
    ]


def tape(folder: Path) -> list[list[tuple[int, str]]]:
    """All messages of both days by time; at equal times those of the earlier step and order first."""
    timed = [
        (at, step, row["number"], fields)
        for row in trades(folder).to_dicts()
        for step, (at, fields) in enumerate(messages(row))
    ]
    return [fields for _, _, _, fields in sorted(timed, key=lambda item: item[:3])]


def differences(executions: dict[str, Execution], want: dict[str, dict[str, Any]]) -> list[str]:
    """Fills whose quote, state or own facts are not those of the truth."""
    wrong = [f"{exec_id}: missing" for exec_id in want.keys() - executions.keys()]
    wrong += [f"{exec_id}: not sent" for exec_id in executions.keys() - want.keys()]
    for exec_id in want.keys() & executions.keys():
        got, row = executions[exec_id], want[exec_id]
        mine = (got.quote_at, got.bid, got.ask, got.quote_state, got.at, got.price, int(got.qty), got.order_id)
        theirs = (
            row["quote_at"],
            row["bid"],
            row["ask"],
            row["state"],
            row["at"],
            row["price"],
            row["size"],
            f"P{row['number']}",
        )
        if mine != theirs:
            wrong.append(f"{exec_id}: {mine} instead of {theirs}")
    return wrong


def play(line: Rig, sent: list[list[tuple[int, str]]], victims: tuple[str, ...]) -> None:
    """Send everything over FIX; each victim is killed once, evenly spread over the sending."""
    session = line.settings.listen.session[0]
    source = DropCopySource(session.begin_string, session.target, session.sender, session.host, session.port)
    source.start()
    size = len(sent) // (len(victims) + 1) + 1
    for number, begin in enumerate(range(0, len(sent), size)):
        source.send(sent[begin : begin + size // 2])
        if number < len(victims):
            line.kill(victims[number])
        source.send(sent[begin + size // 2 : begin + size])
        line.check()
    until(lambda: line.check() is None and source.wait_confirmed(1.0), 120, line.logs)
    source.logout()


@pytest.mark.parametrize(
    ("ties", "victims"),
    [("before", ()), ("at-or-before", ("watch", "publish", "listen", "quotes", "watch"))],
    ids=["before-undisturbed", "at-or-before-every-process-killed"],
)
@pytest.mark.timeout(400)
def test_every_fill_gets_exactly_its_quote(
    lean: Path, broker: Broker, tmp_path: Path, new_prefix: Any, ties: Tie, victims: tuple[str, ...]
) -> None:
    folder = lean / "ibm"
    want = truth(folder, ties)
    with rig(tmp_path, broker.bootstrap, new_prefix(), [f"lean:{folder}", "--speed", "max"], ties=ties) as line:
        play(line, tape(folder), victims)
        until(lambda: line.check() is None and line.count("executions") >= len(want), 200, line.logs)
        executions, findings = line.executions(), line.findings()
    assert differences(executions, want)[:5] == []
    assert Counter(e.quote_state for e in executions.values()) == Counter(row["state"] for row in want.values())
    outside = {
        f.exec_id for f in findings.values() if f.subject.startswith("outside:") and f.certainty != "cannot_tell"
    }
    assert outside == {exec_id for exec_id, row in want.items() if row["outside"]}
