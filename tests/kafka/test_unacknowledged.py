"""What is sent and not acknowledged: order, replacement, settling, the bound in bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.kafka.unacknowledged import Unacknowledged


def test_numbers_rise_and_the_order_is_kept() -> None:
    waiting: Unacknowledged[str] = Unacknowledged(10)
    assert [waiting.add(each, 1) for each in "abc"] == [1, 2, 3]
    assert waiting.acknowledge(2) == "b"
    assert list(waiting) == [(1, "a"), (3, "c")]
    assert (waiting.first, waiting.settled(1), waiting.settled(0)) == (1, False, True)


def test_what_is_acknowledged_twice_or_was_never_sent_is_nothing() -> None:
    waiting: Unacknowledged[str] = Unacknowledged(10)
    waiting.add("a", 4)
    assert waiting.acknowledge(1) == "a"
    assert waiting.acknowledge(1) is None
    assert waiting.acknowledge(7) is None
    assert (waiting.bytes, len(waiting), waiting.settled()) == (0, 0, True)


def test_a_newer_value_takes_the_place_of_one_not_acknowledged() -> None:
    waiting: Unacknowledged[str] = Unacknowledged(10)
    for second in range(1000):
        waiting.add(f"health {second}", 4, replaces="health of 0")
        waiting.add(f"health {second}", 4, replaces="health of 1")
    assert (len(waiting), waiting.bytes) == (2, 8)
    assert [item for _, item in waiting] == ["health 999"] * 2
    assert waiting.acknowledge(1) is None, "the replaced one may have been sent: its acknowledgement is no news"


def test_it_is_full_from_its_limit_on() -> None:
    waiting: Unacknowledged[str] = Unacknowledged(8)
    waiting.add("a", 7)
    assert not waiting.full
    waiting.add("b", 1)
    assert waiting.full
    waiting.acknowledge(1)
    assert not waiting.full


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 40))))
def test_it_is_a_list_of_what_is_neither_acknowledged_nor_replaced(steps: list[tuple[bool, int, int]]) -> None:
    waiting: Unacknowledged[int] = Unacknowledged(1 << 30)
    model: dict[int, tuple[int, int]] = {}
    for adds, key, number in steps:
        if adds:
            if key:
                model = {n: (k, size) for n, (k, size) in model.items() if k != key}
            added = waiting.add(number, number, replaces=key or None)
            model[added] = (key, number)
        else:
            assert (waiting.acknowledge(number) is not None) == (model.pop(number, None) is not None)
    assert [number for number, _ in waiting] == list(model)
    assert waiting.bytes == sum(size for _, size in model.values())
    assert waiting.first == min(model, default=waiting.added + 1)
    assert all(waiting.settled(n) == (n < waiting.first) for n in range(1, waiting.added + 1))
