"""Hops of orders that are told at one level only, and at two, against plain subtraction."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

POLICY = """
version = "examiner"
[clocks]
"*" = 0.0
[quotes]
stale_after_s = 20.0
[[rules.slow_order]]
effective = 2020-01-01
reason = "r"
approved_by = "a"
limits = { receipt_to_route_ms = 10.0, route_to_ack_ms = 12.0 }
[[rules.poor_fill]]
effective = 2020-01-01
reason = "r"
approved_by = "a"
limits = { outside_tolerance_usd = "0.005", receipt_tolerance_usd = "0.02" }
[[rules.unexpected_venue]]
effective = 2020-01-01
reason = "r"
approved_by = "a"
limits = { declared = ["XNYS", "XNAS"] }
"""
MS = 10**6


def replayed(stranger: ReplayCli, day: reference.Day, tie: str = "before") -> list[dict[str, Any]]:
    """Findings that stand."""
    log, policy = stranger.log(reference.fix(day.said)), str(stranger.write("policy.toml", POLICY))
    args = ["--quotes", stranger.quotes(day.rows), "--fix-log", log, "--ties", tie, "--policy", policy]
    assert stranger.replay(*args) == command_line.OK
    return [f for f in reference.told(stranger.findings) if f["state"] != "withdrawn"]


def hop(findings: list[dict[str, Any]], name: str) -> set[str]:
    return {f["route_id"] or f["order_id"] for f in findings if f["subject"] == name and f["certainty"] == "confirmed"}


def test_hops_of_routes(stranger: ReplayCli) -> None:
    day = reference.day(50, count=800, n_orders=100)
    received, routed, answered, parents = {}, {}, {}, {}
    for said in sorted(day.said, key=lambda s: s.at):
        client, parent = said.tags[11], said.tags.get(526) or said.tags.get(1080)
        if said.kind == "D" and parent:
            routed.setdefault(parent, said.at)
            parents[client] = said.at
        elif said.kind == "D":
            received[client] = said.at
        elif said.tags[150] in "0F8":
            answered.setdefault(client, said.at)
    findings = replayed(stranger, day)
    assert hop(findings, "receipt->route") == {c for c, at in received.items() if routed[c] - at > 10 * MS}
    assert hop(findings, "route->ack") == {c for c, at in parents.items() if answered[c] - at > 12 * MS}


@pytest.mark.parametrize("tie", ["before", "at-or-before"])
def test_fills_against_both_quotes(stranger: ReplayCli, tie: str) -> None:
    day = reference.day(51, count=800, n_orders=100)
    book = reference.by_symbol(day.rows)
    wanted = set()
    for deal in day.deals:
        for what, at, tolerance in (("outside", deal.at, 5 * MS), ("receipt", deal.received, 20 * MS)):
            state, row = reference.quote_at(*book.get(deal.symbol, ([], [])), at, tie, stale=20 * reference.NANO)
            if state != "ok" or row is None or row.bid is None or row.ask is None or deal.state == "busted":
                continue
            worse = deal.price - row.ask if deal.side == "buy" else row.bid - deal.price
            wanted |= {f"{what}:{deal.exec_id}"} if worse > tolerance else set()
    found = {
        f["subject"] for f in replayed(stranger, day, tie) if f["rule"] == "poor_fill" and f["certainty"] == "confirmed"
    }
    assert found == wanted


def test_an_order_told_at_one_level_is_not_accused_of_having_no_route(stranger: ReplayCli) -> None:
    """Its own fills, or its acknowledgement, may be those of a venue."""
    day = reference.day(52, count=800, n_orders=100, levels=1)
    rejected = {s.tags[11] for s in day.said if s.tags.get(150) == "8"}
    findings = replayed(stranger, day)
    assert hop(findings, "receipt->route") <= rejected
    filled = {d.order_id for d in day.deals} - {d.order_id for d in day.deals if d.state == "busted"}
    possible = {f["order_id"] for f in findings if f["subject"] == "receipt->route" and f["certainty"] == "possible"}
    assert possible.isdisjoint(filled)
    assert possible
