"""Deadlines expire in the order of their times, those that were answered do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from monitor.engine.deadlines import Deadlines

times = st.integers(0, 1 << 30)


class Bearer(Struct):
    """Who bears deadlines, known by its symbol."""

    symbol: str
    deadlines: dict[str, int]


@given(st.lists(st.tuples(times, st.booleans())), st.lists(times), st.integers(1, 5))
def test_rings_what_stands_in_order(deadlines: list[tuple[int, bool]], steps: list[int], bearers: int) -> None:
    bell: Deadlines[Bearer] = Deadlines()
    those = [Bearer(symbol=str(i), deadlines={}) for i in range(bearers)]
    standing = []
    for i, (at, stands) in enumerate(deadlines):
        bearer = those[i % bearers]
        bearer.deadlines[str(i)] = at
        bell.set(at, bearer)
        if stands:
            standing.append((at, bearer.symbol, str(i)))
        else:
            del bearer.deadlines[str(i)]
    rung = []
    for before in [*sorted(steps), float("inf")]:
        for at, key, bearer in bell.expired(before):
            assert at < before
            del bearer.deadlines[key]
            rung.append((at, bearer.symbol, key))
        assert bell.first >= before
    assert rung == sorted(standing)


def test_one_answered_while_others_ring_stays_silent() -> None:
    bell: Deadlines[Bearer] = Deadlines()
    bearer = Bearer("IBM", {"A": 5, "B": 5})
    bell.set(5, bearer)
    expired = bell.expired(10)
    assert next(expired)[1] == "A"
    bearer.deadlines.clear()
    assert list(expired) == []


def test_one_set_for_another_time_rings_then_and_once() -> None:
    bell: Deadlines[Bearer] = Deadlines()
    bearer = Bearer("IBM", {"A": 5})
    for at in (5, 1 << 30, 7):
        bearer.deadlines["A"] = at
        bell.set(at, bearer)
    assert [(at, key) for at, key, _ in bell.expired(6)] == []
    for at, key, _ in bell.expired(float("inf")):
        assert (at, bearer.deadlines.pop(key)) == (7, 7)


def test_one_set_for_a_time_that_has_begun_rings_still() -> None:
    bell: Deadlines[Bearer] = Deadlines()
    first, second = Bearer("IBM", {"A": 5}), Bearer("IBM", {"B": 11})
    bell.set(5, first)
    assert len(list(bell.expired(10))) == 1
    bell.set(11, second)
    assert bell.first <= 11
    assert [key for _, key, _ in bell.expired(12)] == ["B"]
