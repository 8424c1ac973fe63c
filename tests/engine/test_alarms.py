"""Alarms ring in the order of their times, those that were answered do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.alarms import Alarms

times = st.integers(0, 1 << 30)


@given(st.lists(st.tuples(times, st.booleans())), st.lists(times))
def test_rings_what_stands_in_order(alarms: list[tuple[int, bool]], steps: list[int]) -> None:
    standing = {str(i): stands for i, (_, stands) in enumerate(alarms)}
    bell = Alarms(lambda alarm: standing[alarm[2]])
    entries = [(at, "IBM", str(i), "hop") for i, (at, _) in enumerate(alarms)]
    for entry in entries:
        bell.set(entry)
    rung = []
    for before in sorted(steps):
        ringing = list(bell.ringing(before))
        assert all(alarm[0] < before for alarm in ringing)
        rung += ringing
        assert bell.first >= before
    rung += bell.ringing(float("inf"))
    assert rung == sorted(entry for entry in entries if standing[entry[2]])


def test_one_answered_while_others_ring_stays_silent() -> None:
    answered: set[str] = set()
    bell = Alarms(lambda alarm: alarm[2] not in answered)
    for order in ("A", "B"):
        bell.set((5, "IBM", order, "hop"))
    ringing = bell.ringing(10)
    assert next(ringing)[2] == "A"
    answered.add("B")
    assert list(ringing) == []


def test_one_set_for_a_time_that_has_begun_rings_still() -> None:
    bell = Alarms(lambda alarm: True)
    bell.set((5, "IBM", "A", "hop"))
    assert len(list(bell.ringing(10))) == 1
    bell.set((11, "IBM", "B", "hop"))
    assert bell.first <= 11
    assert [alarm[2] for alarm in bell.ringing(12)] == ["B"]
