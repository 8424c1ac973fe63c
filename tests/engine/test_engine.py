"""Time in the engine: who is waited for, what is late, when silence is a finding, what survives a restart."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import structs

from monitor.engine import snapshot
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.snapshot import UnreadableSnapshot
from monitor.wire.blocks import Block
from monitor.wire.events import Acked, Ended, Filled, Gap, Received, ReportLine, Routed, SessionDown, Tick
from rules import RULES
from tests.engine.generated_days import DAY, MS, POLICY, Row, block

CONFIG = EngineConfig(patience_ns=100 * MS, silence_ns=1000 * MS)
SHARES = Decimal(100)


def engine(**changes: Any) -> Engine:
    return Engine(POLICY, RULES, msgspec.structs.replace(CONFIG, **changes))


def tick(at: int, source: str = "r") -> Tick:
    return Tick(source=source, n=0, at=DAY + at * MS, seen=0)


def quotes(*rows: tuple[int, int, int], n: int = 0, through: int | None = None, ended: bool = False) -> Block:
    made = block("q", [Row(DAY + at * MS, "IBM", bid, ask) for at, bid, ask in rows], n)
    made.through = None if through is None else DAY + through * MS
    made.ended = ended
    return made


def said(kind: type, at: int, n: int, order_id: str = "A", source: str = "r", **more: Any) -> ReportLine:
    base: dict[str, Any] = {"source": source, "session": "S", "symbol": "IBM", "side": "buy", "clock": "S"}
    event: ReportLine = kind(n=n, at=DAY + at * MS, seen=DAY + at * MS, order_id=order_id, **base, **more)
    return event


def fill(at: int, n: int, price: int = 101, exec_id: str = "E", **more: Any) -> ReportLine:
    return said(Filled, at, n, qty=SHARES, price=price, exec_id=exec_id, **more)


def test_an_event_waits_until_both_streams_have_vouched_for_its_time_and_patience() -> None:
    it = engine()
    it.report(fill(50, 1))
    it.report(tick(1000))
    assert it.watermark is None
    assert not it.advance().executions
    it.block(quotes((10, 100, 101), through=149), 0)
    assert not it.advance().executions
    it.block(quotes((40, 102, 103), n=1, through=150), 1)
    (execution,) = it.advance().executions
    assert (execution.bid, execution.ask, execution.quote_at) == (102, 103, DAY + 40 * MS)
    assert it.settled == DAY + 50 * MS


@pytest.mark.parametrize(("tie", "bid"), [("before", 100), ("at-or-before", 102)])
def test_a_quote_of_the_very_instant_counts_by_the_tie_rule(tie: str, bid: int) -> None:
    it = engine(tie=tie)
    it.block(quotes((10, 100, 101), (50, 104, 105), (50, 102, 103), through=500), 0)
    it.report(fill(50, 1))
    it.report(tick(500))
    (execution,) = it.advance().executions
    assert execution.bid == bid
    assert execution.tie == tie


def test_order_is_by_content_not_by_arrival() -> None:
    it = engine()
    for event in (fill(50, 7, exec_id="c"), fill(50, 2, exec_id="b"), fill(50, 9, exec_id="a", source="a")):
        it.report(event)
    it.block(quotes((1, 100, 101), through=500), 0)
    it.report(tick(500))
    it.report(tick(500, "a"))
    assert [e.exec_id for e in it.advance().executions] == ["a", "b", "c"]


def test_what_comes_after_its_time_was_settled_is_judged_late_without_a_quote() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=500), 0)
    it.report(tick(500))
    it.advance()
    it.report(fill(50, 1))
    (execution,) = it.advance().executions
    assert execution.late
    assert execution.quote_state == "none"
    assert it.counts["late_reports"] == 1


def test_a_silent_source_is_set_aside_and_waited_for_again_when_it_speaks() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=100), 0)
    it.report(fill(50, 1))
    it.report(fill(900, 2, exec_id="F"))
    it.report(tick(2000))
    it.wall(0)
    assert not it.advance().executions
    it.report(tick(2001))
    it.wall(500 * MS)
    it.report(tick(2002))
    it.wall(1100 * MS)
    assert it.silent == ("q",)
    early, later = it.advance().executions
    assert early.quote_state == "ok"
    assert later.quote_state == "stale", "nobody vouched for quotes any more"
    assert it.counts["silent_sources"] == 1
    it.block(quotes((1500, 104, 105), n=1, through=3000), 1)
    assert it.silent == ()


def test_quotes_that_never_came_are_given_up_too() -> None:
    it = engine()
    it.report(fill(50, 1))
    it.wall(0)
    it.report(tick(500))
    assert not it.advance().executions
    it.wall(900 * MS)
    it.report(tick(501))
    it.wall(1100 * MS)
    assert it.silent == ("nbbo",)
    (execution,) = it.advance().executions
    assert execution.quote_state == "none"


def test_when_all_have_ended_nothing_is_held_back() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), ended=True), 0)
    it.report(fill(50, 1))
    it.report(Ended(source="r", n=2, at=0, seen=0))
    assert len(it.advance().executions) == 1
    assert it.held == 0


def test_an_answer_that_has_not_come_is_found_at_its_deadline_and_not_before() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=10_000), 0)
    it.report(said(Routed, 50, 1, venue="ARCX", qty=SHARES))
    it.report(tick(400))
    assert not it.advance().findings
    it.report(tick(401))
    (finding,) = it.advance().findings
    assert (finding.at, finding.certainty, finding.seen) == (DAY + 300 * MS, "confirmed", None)
    assert finding.subject.startswith("route->ack")


def test_an_answer_at_the_very_deadline_is_in_time() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=10_000), 0)
    it.report(said(Routed, 50, 1, venue="ARCX", qty=SHARES))
    it.report(said(Acked, 300, 2))
    it.report(tick(10_000))
    assert not it.advance().findings


@pytest.mark.parametrize("doubt", ["unheard", "down", "gap"])
def test_silence_that_proves_nothing_is_only_possible(doubt: str) -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=10_000, ended=True), 0)
    it.report(said(Routed, 50, 1, venue="ARCX", qty=SHARES))
    common: dict[str, Any] = {"source": "r", "n": 2, "at": DAY + 60 * MS, "seen": 0, "session": "S"}
    if doubt == "down":
        it.report(SessionDown(**common))
    if doubt == "gap":
        it.report(Gap(first=5, last=9, **common))
    it.report(tick(200 if doubt == "unheard" else 5000))
    (finding,) = [*it.advance().findings, *it.drain().findings]
    assert finding.certainty == "possible"


def test_too_many_that_wait_are_judged_without_a_quote_oldest_first() -> None:
    it = engine(held_most=2)
    it.block(quotes((1, 100, 101)), 0)
    for i in range(5):
        it.report(fill(10 * i, i, exec_id=f"E{i}"))
    told = it.advance().executions
    assert [e.exec_id for e in told] == ["E0", "E1", "E2"]
    assert {e.quote_state for e in told} == {"none"}
    assert it.counts["overflowed"] == 3


def test_a_time_far_in_the_future_holds_nobody_up() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=500), 0)
    it.report(msgspec.structs.replace(fill(50, 1, exec_id="F"), at=DAY + 10**18))
    it.report(fill(60, 2))
    it.report(tick(500))
    assert [(e.exec_id, e.quote_state, e.late) for e in it.advance().executions] == [
        ("F", "none", True),
        ("E", "ok", False),
    ]
    assert it.counts["future_reports"] == 1
    assert it.settled == DAY + 400 * MS


def test_a_block_that_comes_again_is_a_repeat() -> None:
    it = engine()
    it.block(quotes((1, 100, 101), through=5), 0)
    it.block(quotes((1, 100, 101), through=5), 1)
    assert it.counts["duplicates"] == 1
    assert it.counts["quotes"] == 1


def test_after_a_restart_time_stands_where_it_was_settled_until_the_quotes_are_read_again() -> None:
    """Restoring the newest watermark instead let reports overtake the blocks that were to be read again."""
    first = engine()
    log = [quotes((10, 100, 101), through=400), quotes((450, 104, 105), n=1, through=1000)]
    for token, each in enumerate(log):
        first.block(each, token)
    first.report(tick(420))
    first.advance()
    assert first.settled == DAY + 320 * MS
    assert first.first_unsettled() == 1
    second = Engine.restore(first.snapshot(), POLICY, RULES, CONFIG)
    assert second.settled == DAY + 320 * MS
    second.report(fill(500, 1))
    second.report(tick(2000))
    assert not second.advance().executions, "the quote of 450 has not been read again"
    second.block(log[1], 1)
    (execution,) = second.advance().executions
    assert (execution.bid, execution.quote_state) == (104, "ok")
    assert second.counts["duplicates"] == 0
    assert second.counts["quotes"] == 2


def test_held_events_deadlines_and_what_was_told_survive_a_restart() -> None:
    first = engine()
    first.block(quotes((1, 100, 101), through=10_000), 0)
    first.report(said(Received, 50, 1, qty=SHARES, ord_type="market"))
    first.report(said(Routed, 55, 2, venue="ARCX", qty=SHARES))
    first.report(fill(700, 3, price=500))
    first.report(tick(200))
    first.advance()
    second = Engine.restore(first.snapshot(), POLICY, RULES, CONFIG)
    for each in (first, second):
        each.report(tick(9000))
    expected, found = first.advance(), second.advance()
    assert found == expected
    assert {f.rule for f in found.findings} >= {"slow_order", "poor_fill"}
    assert second.snapshot() == first.snapshot()


def test_deadlines_of_orders_with_odd_names_survive_a_restart() -> None:
    """No byte but the field separator is kept out of a ClOrdID."""
    it = engine()
    it.block(quotes((10, 100, 101), through=5000), 0)
    it.report(said(Received, 20, 1, "a\x1fb", ord_type="market", qty=SHARES))
    it.report(tick(150))
    it.advance()
    again = Engine.restore(it.snapshot(), POLICY, RULES, it.config)
    again.block(quotes((200, 100, 101), n=1, through=5000), 1)
    again.report(tick(5000))
    assert {f.order_id for f in again.advance().findings} == {"a\x1fb"}


def test_a_snapshot_of_another_version_is_refused_by_name() -> None:
    with pytest.raises(UnreadableSnapshot, match="form 4 was expected"):
        Engine.restore(b"sorwatch engine 99\nxyz", POLICY, RULES, CONFIG)
    with pytest.raises(UnreadableSnapshot, match="cannot be read"):
        Engine.restore(engine().snapshot()[:-3], POLICY, RULES, CONFIG)
    with pytest.raises(UnreadableSnapshot, match="cannot be read"):
        Engine.restore(engine().snapshot().replace(b"settled", b"\xff" * 7), POLICY, RULES, CONFIG)


def test_a_source_of_reports_does_not_vouch_for_quotes_of_the_same_name() -> None:
    it = engine()
    it.block(quotes((10, 100, 101), through=60), 0)
    it.report(fill(200, 1, source="q"))
    it.report(tick(1000, source="q"))
    assert not it.advance().executions
    assert it.watermark == DAY + 60 * MS
    assert it.sources == {"q": DAY + 1000 * MS, "q (quotes)": DAY + 60 * MS}
    it.block(quotes((190, 102, 103), n=1, through=1000), 1)
    (execution,) = it.advance().executions
    assert (execution.bid, execution.ask) == (102, 103)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: structs.replace(state, families=[b"\x93\x01"]),
        lambda state: structs.replace(state, families=[b"no family"]),
        lambda state: structs.replace(state, columns=state.columns[:-3]),
        lambda state: structs.replace(state, symbols=[*state.symbols, "MORE"]),
    ],
    ids=["family cut short", "family of rubbish", "columns cut short", "a symbol without quotes"],
)
def test_a_snapshot_whose_parts_cannot_be_read_is_unreadable(
    damage: Callable[[snapshot.State], snapshot.State],
) -> None:
    it = engine()
    it.block(quotes((10, 100, 101), through=149), 0)
    it.report(tick(149))
    it.advance()
    state = snapshot.decode(it.snapshot())
    with pytest.raises(UnreadableSnapshot):
        Engine.restore(snapshot.encode(damage(state)), POLICY, RULES, CONFIG)
