"""Slow order, case by case: what answers a hop, what is amended, and what is never judged."""

from __future__ import annotations

import pytest

from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.policy.examples import policy_of, shown
from monitor.wire.blocks import Block
from monitor.wire.events import Finding, Tick
from rules import slow_order

OPEN = "09:30:00 quote IBM 100.00x100.02\n"


def judge(text: str, limits: str = "") -> list[Finding]:
    policy = policy_of(slow_order.RULE, limits)
    return tape.run_tape(OPEN + text, [slow_order.RULE], policy).findings


def test_a_late_answer_amends_what_was_said_of_the_silence() -> None:
    raised, amended = judge("""
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +1ms      routed id=A1 parent=A venue=ARCX
        +700ms    acked id=A1
        09:32:00  tick
    """)
    assert (raised.state, amended.state) == ("raised", "amended")
    assert raised.id == amended.id
    assert (raised.evidence["answered"], amended.evidence["answered"]) == (False, True)
    assert raised.evidence["waited_ns"] == 250_000_000
    assert amended.evidence["elapsed_ns"] == 700_000_000
    assert raised.at == tape.DAY + (9 * 3600 + 31 * 60) * 10**9 + 251_000_000
    assert raised.seen is None


def test_the_route_amends_what_was_said_of_the_customers_order() -> None:
    raised, amended = judge("""
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +300ms    routed id=A1 parent=A venue=ARCX
        +1ms      acked id=A1
        09:32:00  tick
    """)
    assert raised.id == amended.id
    assert (amended.order_id, amended.route_id, amended.venue) == ("A", None, None)
    assert amended.evidence["elapsed_ns"] == 300_000_000


@pytest.mark.parametrize(("later", "fires"), [("250ms", ()), ("250.000001ms", ("route->ack confirmed",))])
def test_the_limit_itself_is_allowed(later: str, fires: tuple[str, ...]) -> None:
    text = f"""
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +1ms      routed id=A1 parent=A venue=ARCX
        +{later}  acked id=A1
        09:32:00  tick
    """
    assert shown(judge(text)) == fires


@pytest.mark.parametrize("answer", ["rejected id=A1", "cancelled id=A1", "expired id=A1", "acked id=A1"])
def test_whatever_comes_from_the_venue_answers_the_route(answer: str) -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +1ms      routed id=A1 parent=A venue=ARCX
        +{}ms     {}
        09:32:00  tick
    """
    assert shown(judge(text.format(200, answer))) == ()
    assert shown(judge(text.format(400, answer))) == ("route->ack confirmed",)
    assert judge(text.format(400, answer))[-1].evidence["answered_by"] == answer.split()[0]


def test_an_execution_without_an_acknowledgement_answers_the_route() -> None:
    (finding,) = tape.standing(
        judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      routed id=A1 parent=A venue=ARCX
        +400ms    filled id=A1 exec=E1 qty=100 price=100.02
        +1ms      acked id=A1
        09:32:00  tick
    """)
    )
    assert finding.subject == "route->ack"
    assert finding.evidence["answered_by"] == "filled"


def test_only_the_first_execution_answers_the_acknowledgement() -> None:
    text = """
        09:31:00  received id=A side=buy qty=200 type=market
        +1ms      routed id=A1 parent=A venue=ARCX
        +1ms      acked id=A1
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02
        +3s       filled id=A1 exec=E2 qty=100 price=100.02
        09:32:00  tick
    """
    assert shown(judge(text)) == ()


def test_each_route_is_judged_and_only_the_first_ends_the_time_in_the_router() -> None:
    text = """
        09:31:00  received id=A side=buy qty=200 type=limit limit=99
        +1ms      routed id=A1 parent=A venue=ARCX
        +1ms      acked id=A1
        +300ms    routed id=A2 parent=A venue=XNYS
        +400ms    acked id=A2
        09:32:00  tick
    """
    (finding,) = tape.standing(judge(text))
    assert (finding.subject, finding.order_id, finding.route_id) == ("route->ack", "A", "A2")


def test_a_fill_or_acknowledgement_of_a_route_nobody_reported_accuses_nobody() -> None:
    assert (
        shown(
            judge("""
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +90ms     acked id=A1 parent=A
        09:32:00  tick
    """)
        )
        == ()
    )
    raised, withdrawn = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +400ms    filled id=A exec=E1 qty=100 price=100.02 venue=ARCX
        09:32:00  tick
    """)
    assert (raised.subject, raised.state, withdrawn.state) == ("receipt->route", "raised", "withdrawn")
    assert withdrawn.reason == slow_order.UNREPORTED


def test_an_acknowledgement_that_may_be_the_routers_own_leaves_the_missing_route_possible() -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +1ms      acked id=A {}
        09:32:00  tick
    """
    assert shown(judge(text.format(""))) == ("receipt->route possible",)
    assert shown(judge(text.format("venue=ARCX"))) == ()


def test_a_refusal_by_the_router_is_the_answer_to_the_receipt() -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=market
        +{}ms     rejected id=A
        09:32:00  tick
    """
    assert shown(judge(text.format(50))) == ()
    assert shown(judge(text.format(150))) == ("receipt->route confirmed",)


def test_nothing_is_judged_from_a_start_that_was_not_reported() -> None:
    assert judge("09:31:00 acked id=A1\n+9s filled id=A1 exec=E1 qty=1 price=100 side=buy\n09:32:00 tick") == []


@pytest.mark.parametrize(
    ("terms", "timed"),
    [
        ("type=market", True),
        ("type=limit limit=100.02", True),
        ("type=limit limit=99", False),
        ("type=limit limit=99 tif=ioc", True),
        ("type=limit limit=99 tif=fok", True),
        ("type=limit limit=99 tif=gtc", False),
        ("type=stop", False),
        ("type=market tif=opg", False),
        ("type=market tif=cls", False),
        ("", False),
    ],
)
def test_only_orders_that_should_be_executed_at_once_are_timed_to_the_fill(terms: str, timed: bool) -> None:
    text = f"""
        09:31:00  received id=A side=buy qty=100 {terms}
        +1ms      routed id=A1 parent=A venue=ARCX {terms}
        +1ms      acked id=A1
        09:32:00  tick
    """
    fires = ("ack->fill confirmed", "receipt->done confirmed") if timed else ()
    assert shown(judge(text)) == fires
    everything = 'timed_to_fill = ["market", "marketable", "resting", "unknown"]'
    assert len(shown(judge(text, everything))) == (0 if "opg" in terms or "cls" in terms else 2)


@pytest.mark.parametrize(
    ("terms", "fires"),
    [
        ("type=market", ("receipt->done confirmed",)),
        ("type=limit limit=100.02 tif=ioc", ("receipt->done confirmed",)),
        ("type=limit limit=100.02", ()),
    ],
)
@pytest.mark.parametrize("end", ["filled id=A1 exec=E2 qty=100 price=100.02", "cancelled id=A1", "tick"])
def test_what_is_left_of_a_marketable_limit_order_may_rest(terms: str, fires: tuple[str, ...], end: str) -> None:
    text = f"""
        09:31:00  received id=A side=buy qty=200 {terms}
        +1ms      routed id=A1 parent=A venue=ARCX {terms}
        +1ms      acked id=A1
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02
        +20s      {end}
        09:32:00  tick
    """
    assert shown(judge(text)) == fires


def test_a_passive_child_of_a_market_order_may_rest() -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      routed id=A1 parent=A venue=ARCX type=limit limit=100.00
        +1ms      acked id=A1
        +3s       filled id=A1 exec=E1 qty=100 price=100.00
        09:32:00  tick
    """
    assert shown(judge(text)) == ()


def test_an_order_repriced_so_that_it_rests_is_not_timed_any_more() -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=limit limit=100.02
        +1ms      routed id=A1 parent=A venue=ARCX type=limit limit=100.02
        +1ms      acked id=A1
        +100ms    replaced id=A limit=99.90
        +1ms      replaced id=A1 limit=99.90
        09:32:00  tick
    """
    assert shown(judge(text)) == ()


def test_what_the_routers_own_acknowledgement_begins_ends_below_it() -> None:
    """The customer's order is acknowledged by the router; its executions are those of its routes."""
    text = """
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      acked id=A
        +1ms      routed id=A1 parent=A venue=ARCX
        +1ms      acked id=A1
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02
        09:32:00  tick
    """
    assert shown(judge(text)) == ()


def test_an_answer_stamped_before_its_question_is_not_slow() -> None:
    text = """
        09:31:00  received id=A side=buy qty=100 type=limit limit=99 clock=oms
        +0ms      routed id=A1 parent=A venue=ARCX clock=router
        09:30:59  acked id=A1 clock=venue
        09:32:00  tick
    """
    assert [f for f in tape.standing(judge(text)) if f.certainty == "confirmed" and f.evidence["answered"]] == []


@pytest.mark.parametrize(
    ("later", "fires"),
    [("100ms", ()), ("150ms", ("receipt->route possible",)), ("201ms", ("receipt->route confirmed",))],
)
def test_two_clocks_are_sure_only_beyond_what_they_may_err(later: str, fires: tuple[str, ...]) -> None:
    text = f"""
        09:31:00  received id=A side=buy qty=100 type=limit limit=99 clock=oms
        +{later}  routed id=A1 parent=A venue=ARCX clock=router
        +1ms      acked id=A1 clock=router
        09:32:00  tick
    """
    assert shown(judge(text)) == fires


def test_what_rests_on_a_busted_execution_is_taken_back() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      routed id=A1 parent=A venue=ARCX
        +1ms      acked id=A1
        +2s       filled id=A1 exec=E1 qty=100 price=100.02
        +10s      busted id=A1 ref=E1
        09:32:00  tick
    """)
    (withdrawn,) = [f for f in findings if f.state == "withdrawn"]
    assert withdrawn.subject == "ack->fill"


def test_silence_means_little_while_the_session_is_down() -> None:
    text = """
        09:31:00    received id=A side=buy qty=100 type=limit limit=99
        +1ms        routed id=A1 parent=A venue=ARCX
        +1ms        session_down session=tape
        09:32:00    tick
    """
    assert shown(judge(text)) == ("route->ack possible",)


def test_an_answer_that_was_in_time_but_reported_late_takes_the_accusation_back() -> None:
    policy = policy_of(slow_order.RULE)
    engine = Engine(policy, [slow_order.RULE], EngineConfig())
    read = tape.read(
        OPEN
        + """
        09:31:00  received id=A side=buy qty=100 type=limit limit=99
        +1ms      routed id=A1 parent=A venue=ARCX
        +2ms      acked id=A1
        09:32:00  tick
    """
    )
    *before, answer = read.reports
    for n, quote in enumerate(read.quotes):
        engine.block(quote.block(n), n)
    for event in before:
        engine.report(event)
    engine.block(Block(source=tape.QUOTES, n=9, through=read.until), 9)
    engine.report(Tick(source=tape.SOURCE, n=0, at=read.until, seen=read.until))
    assert shown(engine.advance().findings) == ("route->ack confirmed",)
    engine.report(answer)
    (withdrawn,) = engine.advance().findings
    assert (withdrawn.subject, withdrawn.state, withdrawn.reason) == (
        "route->ack",
        "withdrawn",
        "answered within its limit",
    )
