"""However a day arrives, the findings are the same."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine import generated_days

randoms = st.integers(0, 2**32).map(generated_days.seeded)
chosen = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@chosen
@given(randoms)
def test_any_arrival_within_patience_and_any_cut_gives_the_same_in_the_same_order(rnd: Random) -> None:
    day = generated_days.world(rnd)
    expected = generated_days.judged(generated_days.straight(day))
    found = generated_days.judged(generated_days.deliveries(day, rnd))
    assert found.executions == expected.executions
    assert found.findings == expected.findings


@chosen
@given(randoms)
def test_crashes_between_any_two_events_change_nothing(rnd: Random) -> None:
    day = generated_days.world(rnd)
    expected = generated_days.latest(generated_days.judged(generated_days.straight(day)))
    assert generated_days.latest(generated_days.with_crashes(generated_days.deliveries(day, rnd), rnd)) == expected


@chosen
@given(randoms)
def test_a_snapshot_of_a_restored_engine_is_that_snapshot(rnd: Random) -> None:
    log = generated_days.deliveries(generated_days.world(rnd), rnd)
    engine = generated_days.engine()
    for token, each in enumerate(log[: rnd.randrange(len(log))]):
        generated_days.deliver(engine, each, token)
        engine.advance()
    data = engine.snapshot()
    assert generated_days.restored(data).counts == engine.counts


@chosen
@given(randoms)
def test_what_is_encoded_ahead_and_kept_is_what_would_be_encoded_now(rnd: Random) -> None:
    engine = generated_days.engine()
    for token, each in enumerate(generated_days.deliveries(generated_days.world(rnd), rnd)):
        generated_days.deliver(engine, each, token)
        engine.advance()
        if rnd.random() < 0.2:
            families = sorted(engine.ledger.families(), key=lambda family: family.since)
            assert engine.ledger.snapshot() == [msgspec.msgpack.encode(family) for family in families]
