"""The demo's verdict cannot be had for nothing."""

from __future__ import annotations

from decimal import Decimal

from monitor.demo.router import Planted
from monitor.demo.scorecard import Scorecard, Sent, compare, wrongs
from monitor.wire import events

LIMIT = events.Limit(name="l", value="v", policy="p", effective="2000-01-01", approved_by="a", reason="r")


def finding(order: str, rule: str = "poor_fill", **changed: object) -> events.Finding:
    fields: dict[str, object] = {
        "id": f"{rule}/{order}",
        "revision": 0,
        "state": "raised",
        "rule": rule,
        "rule_version": 1,
        "severity": "warning",
        "certainty": "confirmed",
        "factor": "f",
        "title": "t",
        "order_id": order,
        "route_id": None,
        "exec_id": "E",
        "subject": "s",
        "symbol": "S",
        "side": "buy",
        "qty": None,
        "cost": None,
        "venue": None,
        "vendor": None,
        "session": "A",
        "order_class": None,
        "at": 1,
        "seen": 1_000_000,
        "evidence": {},
        "limit": LIMIT,
        "tie": "before",
        "reason": "r",
        "steps": (),
    }
    return events.Finding(**(fields | changed))  # type: ignore[arg-type]  # a table of changes to a valid finding


def filled(n: int, order: str = "SIM-1", seen: int = 1, parent: str | None = None) -> events.Filled:
    ids = {"session": "A", "symbol": "S", "order_id": order, "exec_id": f"E{n}"}
    return events.Filled(source="demo", n=n, at=1, seen=seen, parent_id=parent, qty=Decimal(1), price=1, **ids)


def told(sent: Sent, reports: list[events.ReportLine], found: list[tuple[int, events.Finding]]) -> Scorecard:
    return compare(sent, reports, [], found, 250, 0)


SENT = Sent(messages=2, fills=0, planted=[Planted("outside", "SIM-1", "S")])
REPORTS: list[events.ReportLine] = [filled(1), filled(2)]


def test_found_what_was_planted_and_nothing_else() -> None:
    outcome = told(SENT, [*REPORTS, filled(1)], [(301, finding("SIM-1"))])
    assert wrongs(outcome) == []
    assert (outcome.reports_published, outcome.lost, outcome.duplicated) == (2, 0, 0)
    assert outcome.fill_to_finding_ms == {"p50": 300.0, "p99": 300.0}


def test_a_missed_fault_is_told() -> None:
    assert "planted and not found: poor_fill SIM-1" in wrongs(told(SENT, REPORTS, []))
    possible = [(301, finding("SIM-1", certainty="possible"))]
    assert "planted and not found: poor_fill SIM-1" in wrongs(told(SENT, REPORTS, possible))


def test_a_false_accusation_is_told_unless_it_is_only_possible() -> None:
    found = [(301, finding("SIM-1")), (301, finding("SIM-2"))]
    assert wrongs(told(SENT, REPORTS, found)) == ["accused without cause: poor_fill SIM-2"]
    found[1] = (301, finding("SIM-2", certainty="possible"))
    assert wrongs(told(SENT, REPORTS, found)) == []


def test_what_is_lost_or_doubled_is_told() -> None:
    found = [(301, finding("SIM-1"))]
    assert wrongs(told(SENT, REPORTS[:1], found)) == ["1 messages or fills were lost"]
    assert wrongs(told(SENT, [*REPORTS, filled(3)], found)) == ["1 messages or fills counted twice"]


def test_nothing_sent_is_no_success() -> None:
    assert "nothing was sent" in wrongs(told(Sent(), [], []))


def test_an_order_the_machine_reported_too_late_is_neither_missed_nor_wrong_but_counted() -> None:
    sent = Sent(messages=3, planted=[Planted("outside", "SIM-1", "S"), Planted("outside", "SIM-2", "S")])
    late = 1 + 125_000_001
    reports: list[events.ReportLine] = [
        filled(1),
        filled(2, "SIM-2-1", late, parent="SIM-2"),
        filled(3, "SIM-3", late),
    ]
    found = [(301, finding("SIM-1")), (301, finding("SIM-3", "slow_order"))]
    outcome = told(sent, reports, found)
    assert wrongs(outcome) == []
    assert (outcome.left_out, outcome.planted["poor_fill"], outcome.findings["slow_order"]) == (2, 1, 0)
    in_time: list[events.ReportLine] = [filled(1), filled(2, "SIM-2", late - 1), filled(3, "SIM-3", late - 1)]
    assert len(wrongs(told(sent, in_time, found))) == 2


def test_a_machine_too_busy_to_judge_anything_is_no_success() -> None:
    late: list[events.ReportLine] = [filled(1, seen=10**9), filled(2, seen=10**9)]
    assert wrongs(told(SENT, late, [])) == ["this machine is too busy: 1 orders were reported too late to be judged"]
