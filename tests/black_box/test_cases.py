"""Field cases with right answers: `sorwatch replay` of a log and quotes, against what is known to be true of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from alerts.incidents import Incidents, Pace
from monitor.process import command_line
from monitor.wire import codec
from tests import SHARED
from tests.black_box.replay_cli import ReplayCli

Case = Callable[..., dict[str, Any]]


@pytest.fixture
def case(stranger: ReplayCli) -> Case:
    """Replays a case, its log changed by ``change``; answers what is expected of it."""

    def play(name: str, change: Callable[[str], str] = str) -> dict[str, Any]:
        folder = SHARED / "data" / "cases" / name
        if not folder.exists():
            pytest.skip(f"field cases are not on this machine: {folder}")
        log = stranger.write("dropcopy.log", change((folder / "dropcopy.log").read_text("utf-8")))
        code = stranger.replay("--quotes", f"csv:{folder / 'quotes.csv'}", "--fix-log", str(log))
        assert code == command_line.OK, stranger.said
        return dict(json.loads((folder / "expected.json").read_text("utf-8")))

    return play


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def costs(findings: Iterable[dict[str, Any]], rule: str = "poor_fill") -> dict[str, float]:
    """Dollars of each confirmed finding about a fill, by order."""
    return {
        f["order_id"]: f["cost"] / 1e9
        for f in findings
        if f["rule"] == rule and f["certainty"] == "confirmed" and f["state"] != "withdrawn"
    }


def swapped(text: str) -> str:
    """The second vendor's messages first."""
    return "\n".join(reversed(text.splitlines())) + "\n"


@pytest.mark.parametrize("change", [str, swapped], ids=["as logged", "in reverse"])
def test_one_order_id_of_two_vendors_is_two_orders(
    stranger: ReplayCli, case: Case, change: Callable[[str], str]
) -> None:
    expected = case("same-clordid-two-vendors", change)
    executions = {e["exec_id"]: e for e in lines(stranger.executions)}
    assert len(executions) == expected["executions"]
    assert len({e["id"] for e in executions.values()}) == expected["executions"]
    for exec_id, (bid, ask) in expected["receipt_bid_ask"].items():
        receipt = executions[exec_id]["receipt"]
        assert (receipt["bid"] / 1e9, receipt["ask"] / 1e9) == (bid, ask)
    assert costs(lines(stranger.findings)) == expected["poor_fill_confirmed"]


def test_one_exec_id_at_two_orders_is_two_executions(stranger: ReplayCli, case: Case) -> None:
    expected = case("same-execid-two-orders")
    assert len({e["id"] for e in lines(stranger.executions)}) == 2
    findings = lines(stranger.findings)
    assert costs(findings) == pytest.approx(expected["poor_fill_confirmed_by_order"])
    incidents = Incidents()
    for finding in codec.decode_findings(stranger.findings.read_bytes()):
        if finding.rule == "poor_fill":
            incidents.hear(finding, finding.at)
    (incident,) = (incidents.incident(i, 0, Pace(growing_ns=1, close_ns=1)) for i in incidents.ids())
    told = {"orders": incident.orders, "shares": int(incident.shares), "cost": (incident.cost or 0) / 1e9}
    assert told == pytest.approx(expected["incident"])
