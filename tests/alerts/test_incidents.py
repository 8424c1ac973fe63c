from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents import Change, Incident, Incidents, Pace, State
from monitor.wire.events import Finding
from tests.alerts.alert_samples import MS, T0, S, finding

PACE = Pace(growing_ns=300 * S, close_ns=900 * S)
NOW = T0 + 10 * S


def one(findings: list[Finding], now: int = NOW, heard: int = NOW) -> Incident:
    incidents = Incidents()
    for f in findings:
        incidents.hear(f, heard)
    (found,) = incidents.ids()
    return incidents.incident(found, now, PACE)


def test_findings_of_one_cause_are_one_incident() -> None:
    found = one([finding("A", cost=100), finding("B", cost=50), finding("C", qty=Decimal("0.5"))])
    assert (found.count, found.orders, found.shares, found.cost) == (3, 3, Decimal("600.5"), 150)
    assert found.example_order == "A"


@pytest.mark.parametrize(
    "changes",
    [{"rule": "poor_fill"}, {"venue": "XNYS"}, {"venue": None}, {"vendor": None}, {"session": "S2"}, {"at": 0}],
)
def test_another_rule_venue_vendor_session_or_day_is_another_incident(changes: dict[str, Any]) -> None:
    incidents = Incidents()
    incidents.hear(finding("A"), NOW)
    incidents.hear(finding("B", **changes), NOW)
    assert len(incidents.ids()) == 2


def test_a_venue_called_none_is_not_no_venue() -> None:
    incidents = Incidents()
    for i, venue in enumerate((None, "None", "-", "")):
        incidents.hear(finding(f"O{i}", venue=venue), NOW)
    assert len(incidents.ids()) == 4


def test_two_findings_about_one_execution_count_its_shares_and_cost_once() -> None:
    both = [
        finding("A", id="1", exec_id="x", subject="outside", cost=70),
        finding("A", id="2", exec_id="x", subject="receipt", cost=90),
    ]
    found = one(both)
    assert (found.count, found.orders, found.shares, found.cost) == (2, 1, Decimal(300), 90)


def test_only_confirmed_findings_count_and_the_others_are_counted_beside() -> None:
    found = one(
        [
            finding("A"),
            finding("B", certainty="possible"),
            finding("C", certainty="cannot_tell"),
            finding("D", state="withdrawn"),
        ]
    )
    assert (found.count, found.orders, found.possible, found.cannot_tell, found.withdrawn) == (1, 1, 1, 1, 1)


def test_cost_that_nobody_can_say_is_not_zero() -> None:
    assert one([finding(cost=None)]).cost is None
    assert one([finding(cost=0)]).cost == 0
    assert one([finding(qty=None)]).shares is None


@pytest.mark.parametrize(
    ("heard", "now", "count", "state"),
    [
        ([0], 1, 1, State.OPEN),
        ([0, 5], 6, 2, State.GROWING),
        ([0, 5], 305, 2, State.OPEN),
        ([0, 5], 904, 2, State.OPEN),
        ([0, 5], 905, 2, State.OVER),
    ],
)
def test_an_incident_grows_rests_and_is_over(heard: list[int], now: int, count: int, state: State) -> None:
    incidents = Incidents()
    for i, second in enumerate(heard):
        incidents.hear(finding(f"O{i}"), T0 + second * S)
    found = incidents.incident(incidents.ids()[0], T0 + now * S, PACE)
    assert (found.count, found.state) == (count, state)


def test_all_withdrawn_is_over() -> None:
    found = one([finding(), finding(revision=1, state="withdrawn")])
    assert (found.state, found.count, found.withdrawn) == (State.OVER, 0, 1)
    assert "withdrawn" in found.why


def test_a_finding_that_changes_its_cause_moves() -> None:
    incidents = Incidents()
    incidents.hear(finding("A"), NOW)
    incidents.hear(finding("A", revision=1, venue="XNYS"), NOW)
    assert [incidents.incident(i, NOW, PACE).cause.venue for i in incidents.ids()] == ["XNYS"]


def test_an_older_or_repeated_revision_changes_nothing() -> None:
    incidents = Incidents()
    changes = [incidents.hear(finding(revision=r), NOW)[0] for r in (0, 0, 2, 1, 2)]
    assert changes == [Change.NEW, Change.REPEATED, Change.AMENDED, Change.REPEATED, Change.REPEATED]


def test_forgotten_findings_leave_nothing() -> None:
    incidents = Incidents()
    incidents.hear(finding("A"), NOW)
    incidents.forget(incidents.ids()[0])
    assert (len(incidents), incidents.ids()) == (0, [])


revisions = st.builds(
    lambda order, revision, state, certainty, venue, severity, cost: finding(
        order,
        revision=revision,
        # content is a function of the revision: the same revision always says the same
        **msgspec.convert(
            {"state": state[revision], "certainty": certainty[revision], "venue": venue[revision % 2]}, dict[str, Any]
        ),
        severity=severity[revision],
        cost=cost[revision],
        at=T0 + revision * MS,
    ),
    st.sampled_from("ABCD"),
    st.integers(0, 2),
    st.just(("raised", "amended", "withdrawn")),
    st.just(("possible", "confirmed", "confirmed")),
    st.just(("ARCX", "XNYS")),
    st.just(("info", "critical", "warning")),
    st.just((None, 5, 7)),
)


@given(st.lists(revisions, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_revisions_gives_the_same_incidents(said: list[Finding], random: Any) -> None:
    def all_of(findings: list[Finding]) -> dict[str, Incident]:
        incidents = Incidents()
        for f in findings:
            incidents.hear(f, NOW)
        return {i: incidents.incident(i, NOW + S, PACE) for i in incidents.ids()}

    again = said + random.choices(said, k=5)
    random.shuffle(again)
    assert all_of(again) == all_of(said)
