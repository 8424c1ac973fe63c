"""FIX logs of every shape give the executions that plain arithmetic gives."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from fix_ingest.logs import order
from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

TIES = ("before", "at-or-before")
DAY = reference.day(11, count=500, n_orders=40)
LINES = reference.fix(DAY.said)
TRUTH = {tie: reference.expected(DAY, tie) for tie in TIES}


def older(said: reference.Said, *, fix_4_0: bool = False) -> reference.Said:
    """The same as FIX 4.2 says it, or 4.0, which has no ExecType."""
    tags = dict(said.tags)
    if said.kind == "8":
        was = tags[150]
        tags |= {20: {"H": "1", "G": "2"}.get(was, "0"), 150: "1" if was in "FGH" else was, 6: "0"}
        tags[39] = "1" if was in "FGH" else was
        if was == "H":
            tags |= {32: "0", 31: "0"}
        if fix_4_0:
            del tags[150]
    return reference.Said(said.at, said.kind, tags)


def resent() -> list[str]:
    """Every third message again as a possible duplicate, every fifth under another number."""
    lines = []
    for i, line in enumerate(LINES):
        lines.append(line)
        at, seq = line.split("|52=")[1].split("|")[0], line.split("|34=")[1].split("|")[0]
        if i % 3 == 0:
            lines.append(line.replace(f"|52={at}|", f"|43=Y|52=20240308-23:00:00.000|122={at}|", 1))
        if i % 5 == 0:
            again = line.replace(f"|34={seq}|", f"|34={90_000 + i}|97=Y|", 1)
            lines.append(again.replace(f"|52={at}|", "|52=20240308-23:30:00.000|", 1))
    return lines


SHAPES: dict[str, Callable[[], list[str]]] = {
    "4.4": lambda: LINES,
    "SOH": lambda: reference.fix(DAY.said, between="\x01"),
    "4.2": lambda: reference.fix([older(s) for s in DAY.said], "FIX.4.2"),
    "4.0": lambda: reference.fix([older(s, fix_4_0=True) for s in DAY.said], "FIX.4.0"),
    "FIXT": lambda: [line.replace("|49=", "|1128=9|49=", 1) for line in reference.fix(DAY.said, "FIXT.1.1")],
    "log4j": lambda: [f"2024-03-08 14:30:00,123 INFO quickfix - Incoming : {line} (35=8, 34=7)" for line in LINES],
    "no checksum": lambda: [line.rsplit("|10=", 1)[0] for line in LINES],
    "only SendingTime": lambda: [line.replace("|60=" + line.split("|60=")[1].split("|")[0], "") for line in LINES],
    "sent again": resent,
    "twice": lambda: LINES + LINES,
    "shuffled": lambda: Random(5).sample(LINES, len(LINES)),  # noqa: S311 - any order will do
    "backwards": lambda: LINES[::-1],
}


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_log_gives_what_arithmetic_gives(stranger: ReplayCli, shape: str, tie: str) -> None:
    log = stranger.log(SHAPES[shape]())
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--fix-log", log, "--ties", tie) == command_line.OK
    assert stranger.wrong(TRUTH[tie]) == []


def test_logs_of_the_same_hours_may_come_in_any_order(stranger: ReplayCli) -> None:
    odd, even = stranger.log(LINES[::2], "odd.log"), stranger.log(LINES[1::2], "even.log")
    written = []
    for logs in ((odd, even), (even, odd)):
        assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--fix-log", *logs) == command_line.OK
        assert stranger.wrong(TRUTH["before"]) == []
        written.append(stranger.bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(("digits", "grid"), [(6, 10**3), (3, 10**6), (0, 10**9)])
def test_times_of_any_precision(stranger: ReplayCli, digits: int, grid: int) -> None:
    day = reference.day(20 + digits, count=800, n_orders=60, grid=grid)
    lines = reference.fix(day.said, digits=digits)
    Random(2).shuffle(lines)  # noqa: S311 - any order will do
    for tie in TIES:
        quotes, log = stranger.quotes(day.rows), stranger.log(lines)
        assert stranger.replay("--quotes", quotes, "--fix-log", log, "--ties", tie) == command_line.OK
        assert stranger.wrong(reference.expected(day, tie)) == []


def test_reports_without_copies_of_the_orders(stranger: ReplayCli) -> None:
    log = stranger.log(reference.fix([s for s in DAY.said if s.kind == "8"]))
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--fix-log", log) == command_line.OK
    wanted = {i: e | {"order_id": e["route_id"]} for i, e in TRUTH["before"].items()}
    assert stranger.wrong(wanted, but=("effective_spread", "price_improvement")) == []


def test_orders_of_one_level(stranger: ReplayCli) -> None:
    day = reference.day(12, count=800, n_orders=60, levels=1)
    log = stranger.log(reference.fix(day.said))
    assert stranger.replay("--quotes", stranger.quotes(day.rows), "--fix-log", log) == command_line.OK
    assert stranger.wrong(reference.expected(day, "before")) == []


def test_more_messages_than_fit_in_a_run_are_sorted_all_the_same() -> None:
    sent = [order.Sent(n * 7919 % 11, n, "AB"[n % 2], n * 31 % 97, f"é{n}\x01", "l", n) for n in range(100)]
    ordered = list(order.in_order(sent))
    assert ordered == list(order.in_order(sent, run=9))
    assert [s.at for s in ordered] == sorted(s.at for s in sent)
    numbers = [s.seq for s in ordered if s.at == 0 and s.sender == "A"]
    assert numbers == sorted(n for n in numbers if n is not None)
