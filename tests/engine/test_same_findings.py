"""However a day arrives, the findings are the same."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine import worlds

randoms = st.integers(0, 2**32).map(worlds.seeded)
chosen = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@chosen
@given(randoms)
def test_any_arrival_within_patience_and_any_cut_gives_the_same_in_the_same_order(rnd: Random) -> None:
    day = worlds.world(rnd)
    expected = worlds.judged(worlds.straight(day))
    found = worlds.judged(worlds.deliveries(day, rnd))
    assert found.executions == expected.executions
    assert found.findings == expected.findings


@chosen
@given(randoms)
def test_crashes_between_any_two_events_change_nothing(rnd: Random) -> None:
    day = worlds.world(rnd)
    expected = worlds.latest(worlds.judged(worlds.straight(day)))
    assert worlds.latest(worlds.with_crashes(worlds.deliveries(day, rnd), rnd)) == expected


@chosen
@given(randoms)
def test_a_snapshot_of_a_restored_engine_is_that_snapshot(rnd: Random) -> None:
    log = worlds.deliveries(worlds.world(rnd), rnd)
    engine = worlds.engine()
    for token, each in enumerate(log[: rnd.randrange(len(log))]):
        worlds.deliver(engine, each, token)
        engine.advance()
    data = engine.snapshot()
    assert worlds.restored(data).counts == engine.counts


@chosen
@given(randoms)
def test_what_is_encoded_ahead_and_kept_is_what_would_be_encoded_now(rnd: Random) -> None:
    engine = worlds.engine()
    for token, each in enumerate(worlds.deliveries(worlds.world(rnd), rnd)):
        worlds.deliver(engine, each, token)
        engine.advance()
        if rnd.random() < 0.2:
            families = sorted(engine.ledger.families(), key=lambda family: family.since)
            assert engine.ledger.snapshot() == [msgspec.msgpack.encode(family) for family in families]
