"""Lines of the wire's JSON in any order, and those that are none."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

DAY = reference.day(1, count=500, n_orders=50)
KINDS = {
    "0": "acked",
    "8": "rejected",
    "5": "replaced",
    "F": "filled",
    "H": "busted",
    "G": "corrected",
    "4": "cancelled",
}
FILL: dict[str, Any] = {
    "kind": "filled", "source": "s", "n": 1, "at": reference.OPEN, "seen": reference.OPEN, "session": "S",
    "symbol": "S1", "order_id": "C", "exec_id": "E", "side": "buy", "qty": 1, "price": 10**9, "venue": "XNYS",
}  # fmt: skip


def wire() -> list[str]:
    """The day's messages as lines of JSON, made by hand."""
    roots: dict[str, str] = {}
    parents: dict[str, str] = {}
    lines = []
    for n, said in enumerate(sorted(DAY.said, key=lambda s: s.at)):
        tags = said.tags
        client, parent = tags[11], tags.get(526) or tags.get(1080)
        if 41 in tags:
            roots[client] = roots.get(tags[41], tags[41])
        order = roots.get(client, client)
        if parent:
            parents[order] = parent
        event = FILL | {"n": n, "at": said.at, "seen": said.at, "symbol": tags[55], "order_id": order}
        event |= {"exec_id": tags.get(17), "parent_id": parents.get(order), "venue": tags.get(30)}
        event |= {"side": {"1": "buy", "2": "sell", "5": "sell_short"}[tags[54]]}
        event["kind"] = KINDS[tags[150]] if said.kind == "8" else "routed" if parent else "received"
        del event["qty"], event["price"]
        if said.kind == "D":
            event |= {"qty": 500, "ord_type": "market"}
        elif tags[150] in "FG":
            event |= {"qty": float(tags[32]), "price": round(float(tags[31]) * 10**9)}
        if 19 in tags:
            event["ref_exec_id"] = tags[19]
        lines.append(json.dumps(event))
    return lines


def test_lines_in_any_order_twice_with_blanks_ticks_and_sessions(stranger: ReplayCli) -> None:
    lines = wire()
    about = {"source": "s", "n": 9_000_000, "seen": 5}
    others = [json.dumps(about | {"kind": k, "at": reference.OPEN}) for k in ("tick", "ended")]
    others += ["", json.dumps(about | {"kind": "session_up", "at": reference.OPEN, "session": "S"})]
    mixed = Random(1).sample(lines + lines + others, 2 * len(lines) + 4)  # noqa: S311 - any order will do
    for tie in ("before", "at-or-before"):
        written = []
        for text in ("\n".join(lines), "\ufeff" + "\n".join(mixed)):
            reports = stranger.write("reports.jsonl", text)
            quotes = stranger.quotes(DAY.rows)
            assert stranger.replay("--quotes", quotes, "--reports", str(reports), "--ties", tie) == command_line.OK
            assert stranger.wrong(reference.expected(DAY, tie)) == []
            assert stranger.summary["unreadable_reports"] == 0
            written.append(stranger.bytes())
        assert written[0] == written[1]


@pytest.mark.parametrize(
    "bad",
    [
        {"zz": 1},
        {"price": 100.05},
        {"price": 0},
        {"price": -(10**9)},
        {"price": 2**63},
        {"qty": 0},
        {"qty": -5},
        {"qty": 10**30},
        {"at": 2**63},
        {"at": 2**63 - 1},
        {"at": -(2**63)},
        {"at": "2024-03-08T14:30:00Z"},
        {"n": 2**64},
        {"symbol": ""},
        {"symbol": None},
        {"order_id": ""},
        {"side": "BUY"},
        {"kind": "corrected", "ref_exec_id": "E", "qty": -1},
    ],
    ids=str,
)
def test_a_line_that_makes_no_sense_is_told_with_its_place(stranger: ReplayCli, bad: dict[str, Any]) -> None:
    reports = stranger.write("r.jsonl", f"{json.dumps(FILL)}\n{json.dumps(FILL | {'n': 2, 'exec_id': 'E2'} | bad)}\n")
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--reports", str(reports)) == command_line.OK
    assert stranger.said.startswith(f"{reports}:2: ")
    assert [e["exec_id"] for e in reference.told(stranger.executions)] == ["E"]


def test_bytes_that_are_no_text_are_told_with_their_place(stranger: ReplayCli) -> None:
    good = json.dumps(FILL).encode()
    reports = stranger.write("r.jsonl", good.replace(b"S1", b"S\xff") + b"\n" + good + b"\n")
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--reports", str(reports)) == command_line.OK
    assert stranger.said.startswith(f"{reports}:1: ")
    assert [e["exec_id"] for e in reference.told(stranger.executions)] == ["E"]
