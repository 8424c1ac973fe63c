from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.incidents import Incident, Incidents, Pace, State
from alerts.notify import LastNotified, Reason, Timing, decide, told
from tests.alerts.alert_samples import T0, S, finding

TIMING = Timing(gather_ns=2 * S, again_ns=300 * S)
PACE = Pace(growing_ns=300 * S, close_ns=900 * S)


def incident(**changes: Any) -> Incident:
    incidents = Incidents()
    incidents.hear(finding(), T0)
    return msgspec.structs.replace(incidents.incident(incidents.ids()[0], T0 + S, PACE), **changes)


def before(**changes: Any) -> LastNotified:
    base = LastNotified(incident="i", n=1, reason=Reason.FIRST, at=T0, count=1, withdrawn=0, severity="warning")
    return msgspec.structs.replace(base, **changes)


OVER = {"state": State.OVER}
GONE = {"state": State.OVER, "count": 0, "withdrawn": 1, "shares": Decimal(0)}


@pytest.mark.parametrize(
    ("previous", "now_is", "seconds", "tell", "reason"),
    [
        (None, {}, 1, False, Reason.GATHERING),
        (None, {}, 2, True, Reason.FIRST),
        (None, OVER, 2000, True, Reason.FIRST),
        (None, {"count": 0, "possible": 3}, 60, False, Reason.NOT_CONFIRMED),
        (None, GONE, 60, False, Reason.NOT_CONFIRMED),
        ({}, {}, 1000, False, Reason.UNCHANGED),
        ({}, {"count": 2}, 299, False, Reason.QUIET_PERIOD),
        ({}, {"count": 2}, 300, True, Reason.GREW),
        ({}, {"count": 10}, 1, True, Reason.ESCALATED),
        ({}, {"severity": "critical"}, 1, True, Reason.ESCALATED),
        ({}, {"severity": "info"}, 1, False, Reason.UNCHANGED),
        ({"count": 3}, {"count": 2, "withdrawn": 1}, 299, False, Reason.QUIET_PERIOD),
        ({"count": 3}, {"count": 2, "withdrawn": 1}, 300, True, Reason.SHRANK),
        ({}, GONE, 1, True, Reason.WITHDRAWN),
        ({"reason": Reason.WITHDRAWN, "count": 0, "withdrawn": 1}, GONE, 1, False, Reason.UNCHANGED),
        ({"reason": Reason.WITHDRAWN, "count": 0, "withdrawn": 1}, {"withdrawn": 1}, 1, True, Reason.REOPENED),
        ({}, OVER, 1, True, Reason.OVER),
        ({"reason": Reason.OVER}, OVER, 5000, False, Reason.UNCHANGED),
        ({"reason": Reason.OVER}, {**OVER, "withdrawn": 1}, 1, True, Reason.OVER),
        ({"reason": Reason.OVER}, {"count": 2}, 1, True, Reason.REOPENED),
    ],
)
def test_decisions(
    previous: dict[str, Any] | None, now_is: dict[str, Any], seconds: int, tell: bool, reason: Reason
) -> None:
    answer = decide(None if previous is None else before(**previous), incident(**now_is), T0 + seconds * S, TIMING)
    assert (answer.tell, answer.reason) == (tell, reason)


@pytest.mark.parametrize(("seconds", "ask"), [(1, 2), (299, None)])
def test_a_decision_that_time_can_change_says_when_to_ask_again(seconds: int, ask: int | None) -> None:
    previous = None if ask is not None else before()
    changed = incident(count=2)
    again = decide(previous, changed, T0 + seconds * S, TIMING).ask_again
    assert again == T0 + (300 if ask is None else ask) * S
    assert decide(previous, changed, again, TIMING).tell


moves = st.lists(
    st.tuples(st.sampled_from(["more", "fewer", "worse", "nothing"]), st.integers(0, 1200)), min_size=1, max_size=40
)


@settings(max_examples=300)
@given(moves)
def test_the_same_state_is_never_told_twice(said: list[tuple[str, int]]) -> None:
    """Whatever happens and however often it is asked: no two notices in a row say the same."""
    incidents, now, previous, n, told_so_far = Incidents(), T0, None, 0, []
    alive: list[str] = []
    for move, seconds in [("more", 0), *said]:
        now += seconds * S
        if move in ("more", "worse"):
            n += 1
            alive.append(f"O{n}")
            incidents.hear(finding(f"O{n}", severity="critical" if move == "worse" else "warning"), now)
        elif move == "fewer" and alive:
            incidents.hear(finding(alive.pop(), revision=1, state="withdrawn"), now)
        for _ in range(3):
            seen = incidents.incident(incidents.ids()[0], now, PACE)
            answer = decide(previous, seen, now, TIMING)
            if answer.tell:
                previous = told(previous, seen, answer.reason, now)
                told_so_far.append(previous)
    for one, two in pairwise(told_so_far):
        assert two.n == one.n + 1
        assert (one.reason, one.count, one.withdrawn, one.severity) != (
            two.reason,
            two.count,
            two.withdrawn,
            two.severity,
        )
        if two.reason in (Reason.GREW, Reason.SHRANK):
            assert two.at - one.at >= TIMING.again_ns
