"""Whose id an id is: two senders' orders of one id are two orders, and are linked only where the report says so."""

from __future__ import annotations

from monitor.engine import tape
from monitor.engine.engine import EngineConfig
from monitor.engine.joined import Output
from rules import RULES
from tests.engine.generated_days import POLICY


def play(text: str) -> Output:
    return tape.run_tape(text, RULES, POLICY, EngineConfig())


TWO_VENDORS = """
09:30:00  quote IBM 100.00x100.02
09:31:00  received id=A session=V1 side=buy qty=100 type=market
+1ms      filled id=A session=V1 exec=E side=buy qty=100 price=100.02
+500ms    quote IBM 100.10x100.12
+1s       received id=A session=V2 side=sell qty=500 limit=100.10
+1ms      filled id=A session=V2 exec=E side=sell qty=500 price=100.10
09:32:00  tick
"""


def test_one_id_of_two_sessions_is_two_orders_and_two_executions() -> None:
    out = play(TWO_VENDORS)
    first, second = out.executions
    assert first.id != second.id
    assert (first.side, second.side) == ("buy", "sell")
    assert second.receipt is not None
    assert second.receipt.bid == 100_100_000_000
    assert not [f for f in out.findings if f.certainty == "confirmed" and f.exec_id is not None]


def test_a_primary_and_its_backup_are_one_sender() -> None:
    text = TWO_VENDORS.replace("session=V1", "session=V1 sender=VENDOR").replace(
        "session=V2", "session=V2 sender=VENDOR"
    )
    repeated = text.replace("side=sell qty=500 limit=100.10", "side=buy qty=100 type=market").replace(
        "side=sell qty=500 price=100.10", "side=buy qty=100 price=100.02"
    )
    assert len({e.id for e in play(repeated).executions}) == 1


ROUTED = """
09:30:00  quote IBM 100.00x100.02
09:31:00  received id=P session=OMS side=buy qty=100 type=market
+1ms      routed id=R parent=P {more} session=SOR venue=XNYS side=buy qty=100 type=market
+1ms      filled id=R parent=P {more} session=SOR exec=E side=buy qty=100 price=100.02
09:32:00  tick
"""


def test_a_parent_of_another_sender_is_linked_only_where_the_report_says_whose_it_is() -> None:
    (linked,) = {e.id: e for e in play(ROUTED.format(more="parent_sender=OMS")).executions}.values()
    assert (linked.order_id, linked.receipt is not None) == ("P", True)
    (alone,) = {e.id: e for e in play(ROUTED.format(more="")).executions}.values()
    assert alone.receipt is None


def test_a_route_called_like_an_order_of_its_parents_sender_stands_alone() -> None:
    out = play(ROUTED.format(more="parent_sender=OMS").replace("id=R", "id=P"))
    (execution,) = {e.id: e for e in out.executions}.values()
    assert (execution.route_id, execution.receipt) == ("P", None)


def test_a_bust_of_another_sender_takes_nothing_back() -> None:
    busted = TWO_VENDORS.replace("09:32:00  tick", "09:31:10  busted id=X session=V3 exec=B ref=E\n09:32:00  tick")
    assert {e.state for e in play(busted).executions} == {"live"}


def test_one_id_in_two_symbols_is_two_orders_with_findings_of_their_own() -> None:
    each = "09:31:00  filled id=A exec=E symbol={0} side=buy qty=100 price=100.05 venue=XNYS\n"
    quoted = "09:30:00  quote IBM 100.00x100.02\n09:30:00  quote MSFT 100.00x100.02\n"
    out = play(quoted + each.format("IBM") + each.format("MSFT") + "09:32:00  tick\n")
    assert len({e.id for e in out.executions}) == 2
    outside = [f for f in out.findings if f.subject.startswith("outside")]
    assert {f.symbol for f in outside} == {"IBM", "MSFT"}
    assert len({f.id for f in outside}) == 2
