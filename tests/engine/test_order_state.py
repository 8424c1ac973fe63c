"""The state of orders, written on tapes."""

from __future__ import annotations

import pytest

from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.joined import Output
from monitor.engine.orders import Order
from monitor.wire.events import Execution, Finding
from rules import RULES
from tests.engine.generated_days import POLICY

QUOTE = "09:30:00 quote IBM 100.00x100.02 300x500\n"
ROUTE = QUOTE + (
    "09:30:00.010 received id=A side=buy qty=100 type=market\n"
    "+2ms routed id=A1 parent=A venue=ARCX qty=100 type=market\n"
    "+3ms acked id=A1\n"
)


def play(text: str) -> tuple[Engine, Output]:
    read = tape.read(text)
    engine = Engine(POLICY, RULES, EngineConfig())
    tape.feed(read, engine)
    return engine, engine.drain() if read.ended else engine.advance()


def order(engine: Engine, order_id: str) -> Order:
    family = engine.ledger.find(tape.SESSION, "IBM", order_id)
    assert family is not None
    return family.orders[order_id]


def forms(told: list[Execution]) -> list[tuple[str, int, str]]:
    return [(e.exec_id, e.revision, e.state) for e in told]


def verdicts(told: list[Finding]) -> list[tuple[str, int, str]]:
    return [(f.subject, f.revision, f.state) for f in told]


def test_receipt_route_ack_and_two_fills_are_one_story() -> None:
    engine, out = play(
        ROUTE + "+5ms filled id=A1 exec=E1 qty=40 price=100.01 venue=ARCX\n"
        "+5ms filled id=A1 exec=E2 qty=60 price=100.02 venue=ARCX"
    )
    assert [e.order_id for e in out.executions] == ["A", "A"]
    assert [e.route_id for e in out.executions] == ["A1", "A1"]
    assert [s.what for s in out.executions[1].steps] == ["received", "routed", "acked", "filled"]
    assert out.executions[0].eq_ratio == 0
    assert out.executions[1].price_improvement == 0
    assert (order(engine, "A").ended, order(engine, "A1").ended) == ("filled", "filled")
    assert engine.open_orders == 0
    assert not out.findings


def test_fills_reported_at_both_levels_are_counted_once() -> None:
    engine, out = play(
        ROUTE + "+5ms filled id=A1 exec=E1 qty=60 price=100.01 venue=ARCX\n+1ms filled id=A exec=P1 qty=60 price=100.01"
    )
    assert len(out.executions) == 2
    assert order(engine, "A").ended is None
    assert engine.open_orders == 1


def test_an_order_of_one_level_and_one_known_from_its_reports_alone() -> None:
    engine, out = play(
        QUOTE + "+1ms received id=A side=buy qty=100 type=limit limit=100.01\n+1ms acked id=A venue=ARCX\n"
        "+1ms filled id=A exec=E1 qty=100 price=100.01 venue=ARCX leaves=0\n"
        "+1ms acked id=B side=sell venue=ARCX\n+1ms filled id=B exec=E2 qty=5 price=100.00 venue=ARCX leaves=0"
    )
    first, second = out.executions
    assert (first.route_id, first.order_class, first.receipt_at is not None) == ("A", "resting", True)
    assert (second.receipt, second.effective_spread) == (None, None)
    assert order(engine, "B").ended == "filled"
    assert engine.counts["unlinked"] == 0


@pytest.mark.parametrize(
    ("terms", "order_class"),
    [
        ("side=buy type=market", "market"),
        ("side=buy type=limit limit=100.02", "marketable"),
        ("side=buy type=limit limit=100.01", "resting"),
        ("side=sell type=limit limit=100.00", "marketable"),
        ("side=sell_short type=limit limit=100.01", "resting"),
        ("side=buy type=stop", "unknown"),
        ("side=buy type=limit", "unknown"),
        ("type=limit limit=100.01", "unknown"),
    ],
)
def test_the_class_of_an_order_is_settled_by_the_quote_at_its_receipt(terms: str, order_class: str) -> None:
    engine, _ = play(QUOTE + f"+1ms received id=A qty=1 {terms}")
    assert order(engine, "A").order_class == order_class


def test_a_fill_of_an_order_never_heard_of_is_judged_all_the_same() -> None:
    engine, out = play(QUOTE + "+1ms filled id=X side=buy exec=E1 qty=10 price=100.05 venue=ARCX")
    assert out.executions[0].receipt is None
    assert engine.counts["unlinked"] == 1
    assert ("outside:E1", 0, "raised") in verdicts(out.findings)


def test_a_bust_takes_back_the_execution_and_all_that_rests_on_it() -> None:
    engine, out = play(
        ROUTE + "+5ms filled id=A1 exec=E1 qty=100 price=100.09 venue=ARCX\n+1s busted id=A1 ref=E1\n"
        "+1ms busted id=A1 ref=E1"
    )
    assert forms(out.executions) == [("E1", 0, "live"), ("E1", 1, "busted")]
    assert not [f for f in tape.standing(out.findings) if f.exec_id == "E1"]
    assert ("outside:E1", 1, "withdrawn") in verdicts(out.findings)
    assert order(engine, "A").done is None
    assert engine.counts["duplicates"] == 1


def test_a_bust_before_its_fill_waits_for_it() -> None:
    engine, out = play(ROUTE + "+1ms busted id=A1 ref=E1\n+5ms filled id=A1 exec=E1 qty=100 price=100.09 venue=ARCX")
    assert forms(out.executions) == [("E1", 1, "busted")]
    assert not [f for f in out.findings if f.exec_id == "E1"]
    assert engine.counts["unknown_busts"] == 1


def test_a_bust_that_names_only_the_execution_finds_it() -> None:
    _, out = play(ROUTE + "+5ms filled id=A1 exec=E1 qty=100 price=100.09 venue=ARCX\n+1s busted id=? ref=E1")
    assert forms(out.executions)[-1] == ("E1", 1, "busted")


def test_a_corrected_fill_is_judged_again_by_the_quote_of_its_own_instant() -> None:
    engine, out = play(
        ROUTE + "+5ms filled id=A1 exec=E1 qty=100 price=100.09 venue=ARCX\n+1s quote IBM 90.00x90.01\n"
        "+1s corrected id=A1 ref=E1 exec=E2 price=100.01 qty=50\n+1s busted id=A1 ref=E2"
    )
    first, second, third = out.executions
    assert (second.state, second.revision, second.price, second.qty) == ("corrected", 1, 100_010_000_000, 50)
    assert (second.bid, second.at) == (first.bid, first.at)
    assert ("outside:E1", 1, "withdrawn") in verdicts(out.findings)
    assert third.state == "busted", "a later bust may name the correction"
    assert order(engine, "A1").filled == 0


def test_the_same_execution_twice_counts_once_and_another_under_its_name_is_pointed_out() -> None:
    engine, out = play(
        ROUTE + "+5ms filled id=A1 exec=E1 qty=50 price=100.01 venue=ARCX\n"
        "+1ms filled id=A1 exec=E1 qty=50 price=100.01 venue=ARCX\n+1ms filled id=A1 exec=E1 qty=49 price=100.01"
    )
    assert len(out.executions) == 1
    assert (engine.counts["duplicates"], engine.counts["conflicts"]) == (1, 1)
    (note,) = out.notes
    assert note.n == 7
    assert "E1" in note.what


def test_a_receipt_that_comes_after_the_fill_scores_it_anew() -> None:
    _, out = play(
        QUOTE + "+5ms routed id=A1 parent=A side=buy venue=ARCX qty=100\n"
        "+1ms filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX\n+1ms received id=A qty=100 type=market"
    )
    first, second = out.executions
    assert (first.receipt, second.revision) == (None, 1)
    assert second.effective_spread == 20_000_000


def test_a_parent_named_only_later_is_heeded() -> None:
    _, out = play(
        QUOTE + "+1ms received id=A side=buy qty=100 type=market\n"
        "+1ms filled id=A1 exec=E1 side=buy qty=50 price=100.02 venue=ARCX\n+1ms acked id=A1 parent=A"
    )
    assert [(e.order_id, e.revision) for e in out.executions] == [("A1", 0), ("A", 1)]


def test_cancelled_rejected_expired_and_replaced() -> None:
    engine, _ = play(
        QUOTE + "+1ms received id=A side=buy qty=100 type=market\n+1ms replaced id=A qty=50\n"
        "+1ms filled id=A exec=E qty=50 price=100.01 venue=ARCX\n"
        "+1ms received id=B side=buy qty=1\n+1ms cancelled id=B\n+1ms rejected id=B\n"
        "+1ms received id=C side=buy qty=1\n+1ms rejected id=C\n+1ms received id=D side=buy qty=1\n+1ms expired id=D"
    )
    assert [order(engine, o).ended for o in "ABCD"] == ["filled", "cancelled", "rejected", "expired"]


def test_a_loop_of_parents_is_not_followed() -> None:
    engine, out = play(
        QUOTE + "+1ms routed id=A parent=B side=buy qty=1\n+1ms routed id=B parent=A side=buy qty=1\n"
        "+1ms filled id=A exec=E qty=1 price=100.01 venue=ARCX"
    )
    assert len(out.executions) == 1
    assert engine.counts["executions"] == 1


def test_finished_orders_are_forgotten_in_their_turn_and_those_with_findings_later() -> None:
    lines = [QUOTE]
    for i in range(8):
        price = "100.50" if i == 0 else "100.01"
        lines.append(f"+1ms received id=O{i} side=buy qty=1 type=market\n+1ms acked id=O{i} venue=ARCX\n")
        lines.append(f"+1ms filled id=O{i} exec=E{i} qty=1 price={price} venue=ARCX\n")
    engine = Engine(POLICY, RULES, EngineConfig(closed_kept=3))
    tape.feed(tape.read("".join(lines)), engine)
    engine.advance()
    known = [i for i in range(8) if engine.ledger.find(tape.SESSION, "IBM", f"O{i}") is not None]
    assert known == [0, 5, 6, 7]
    assert engine.ledger.forgotten == 0


def test_too_many_open_orders_are_forgotten_and_counted() -> None:
    engine = Engine(POLICY, RULES, EngineConfig(open_most=2))
    tape.feed(tape.read("".join(f"+1ms received id=O{i} side=buy qty=1\n" for i in range(5))), engine)
    engine.advance()
    assert engine.open_orders == 2
    assert engine.counts["forgotten"] == 3
