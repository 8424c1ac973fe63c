"""Poor fill, case by case: against which quote, how far, and when nobody can tell."""

from __future__ import annotations

import pytest

from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.policy.examples import policy_of, shown
from monitor.wire.blocks import Block
from monitor.wire.events import Finding, Tick
from rules import poor_fill

OPEN = "09:30:00 quote IBM 100.00x100.02\n"
CENT = 10_000_000
BOTH = ("outside:E1 cannot_tell", "receipt:E1 cannot_tell")


def judge(text: str, limits: str = "", before: str = OPEN) -> list[Finding]:
    policy = policy_of(poor_fill.RULE, limits)
    return tape.run_tape(before + text, [poor_fill.RULE], policy).findings


def bought(price: str, qty: str = "100", terms: str = "side=buy type=market") -> str:
    return f"""
        09:31:00  received id=A qty={qty} {terms}
        +2ms      filled id=A exec=E1 qty={qty} price={price}
        09:32:00  tick
    """


def test_the_evidence_holds_the_published_figures() -> None:
    outside, receipt = judge(bought("100.05"))
    for finding in (outside, receipt):
        assert finding.evidence["excess_nano"] == 3 * CENT
        assert finding.evidence["effective_spread_nano"] == 8 * CENT
        assert finding.evidence["quoted_spread_nano"] == 2 * CENT
        assert finding.evidence["price_improvement_nano"] == -3 * CENT
        assert finding.evidence["eq_ratio"] == 4.0
        assert finding.evidence["receipt_quote_age_ns"] == 60 * 10**9
        assert finding.evidence["execution_quote_age_ns"] == 60 * 10**9 + 2_000_000
        assert finding.cost == 100 * 3 * CENT
        assert finding.exec_id == "E1"
    assert outside.limit.value == "0 USD a share"
    assert receipt.limit.value == "0.01 USD a share"


def test_cost_counts_fractions_of_a_share() -> None:
    assert [f.cost for f in judge(bought("100.05", "0.5"))] == [3 * CENT // 2] * 2


@pytest.mark.parametrize("side", ["sell", "sell_short", "sell_short_exempt"])
def test_every_kind_of_seller_is_compared_with_the_bid(side: str) -> None:
    assert shown(judge(bought("99.97", terms=f"side={side} type=market"))) == (
        "outside:E1 confirmed",
        "receipt:E1 confirmed",
    )
    assert shown(judge(bought("100.05", terms=f"side={side} type=market"))) == ()


@pytest.mark.parametrize(
    ("price", "fires"),
    [
        ("100.02", ()),
        ("100.020000001", ("outside:E1 confirmed",)),
        ("100.03", ("outside:E1 confirmed",)),
        ("100.030000001", ("outside:E1 confirmed", "receipt:E1 confirmed")),
    ],
)
def test_tolerances_are_exact(price: str, fires: tuple[str, ...]) -> None:
    assert shown(judge(bought(price))) == fires


@pytest.mark.parametrize(
    "quotes",
    [
        "09:30:00 quote IBM 100.02x100.02\n",  # locked
        "09:30:00 quote IBM 100.03x100.02\n",  # crossed
        "09:30:00 quote IBM -x100.02\n",  # one-sided
        "09:30:00 quote IBM 0x100.02\n",  # one-sided as feeds write it
        "09:20:00 quote IBM 100.00x100.02\n",  # stale
        "09:30:00 quote MSFT 100.00x100.02\n09:31:00 quote IBM 100.00x100.02\n",  # at the receipt itself: none before
    ],
    ids=["locked", "crossed", "one-sided", "one-sided-zero", "stale", "none"],
)
@pytest.mark.parametrize("price", ["100.02", "109"])
def test_a_quote_that_cannot_be_used_gives_cannot_tell(quotes: str, price: str) -> None:
    findings = judge(bought(price), before=quotes)
    assert "receipt:E1 cannot_tell" in shown(findings)
    if "MSFT" not in quotes:
        assert shown(findings) == BOTH
    assert all(f.cost is None for f in findings if f.certainty == "cannot_tell")
    assert all(f.evidence["eq_ratio"] is None for f in findings)


def test_without_a_side_nobody_can_tell() -> None:
    findings = judge(bought("100.05", terms="type=market"))
    assert shown(findings) == BOTH
    assert {f.reason for f in findings} == {poor_fill.NO_SIDE}


def test_an_execution_without_a_receipt_is_judged_at_execution_only() -> None:
    text = "09:31:00 filled id=A exec=E1 qty=100 price=100.05 side=buy\n09:32:00 tick"
    assert shown(judge(text)) == ("outside:E1 confirmed",)


@pytest.mark.parametrize(
    ("terms", "certainty"),
    [
        ("type=market", "confirmed"),
        ("type=limit limit=100.20", "confirmed"),
        ("type=limit limit=100.00", None),  # rested, then repriced: its own limit is its benchmark
        ("type=stop", None),
        ("type=pegged", None),
        ("", "possible"),
    ],
)
def test_which_orders_are_held_to_the_receipt(terms: str, certainty: str | None) -> None:
    receipts = [f for f in judge(bought("100.06", terms=f"side=buy {terms}")) if f.subject == "receipt:E1"]
    assert [f.certainty for f in receipts] == ([] if certainty is None else [certainty])


def test_which_classes_are_held_to_the_receipt_is_the_policys_to_say() -> None:
    text = bought("100.06", terms="side=buy type=limit limit=100.00")
    assert "receipt:E1 confirmed" in shown(judge(text, 'receipt_classes = ["resting"]'))


def test_a_correction_is_judged_by_the_quote_of_its_own_instant() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +2ms      filled id=A exec=E1 qty=100 price=100.02
        +2m       quote IBM 101.00x101.02
        +1s       corrected id=A ref=E1 price=100.07
        +1s       corrected id=A ref=E1 exec=E2 price=100.04
        +1s       corrected id=A ref=E1 exec=E3 price=100.01
        09:35:00  tick
    """)
    told = [(f.subject, f.state, f.evidence.get("excess_nano")) for f in findings if f.subject == "outside:E1"]
    assert told == [
        ("outside:E1", "raised", 5 * CENT),
        ("outside:E1", "amended", 2 * CENT),
        ("outside:E1", "withdrawn", 2 * CENT),
    ]
    assert shown(findings) == ()


def test_an_execution_reported_too_late_cannot_be_judged_at_its_instant() -> None:
    engine = Engine(policy_of(poor_fill.RULE), [poor_fill.RULE], EngineConfig())
    read = tape.read(OPEN + bought("100.05"))
    order, fill = read.reports
    for n, quote in enumerate(read.quotes):
        engine.block(quote.block(n), n)
    engine.report(order)
    later = read.until + 10**9
    engine.block(Block(source=tape.QUOTES, n=9, through=later), 9)
    engine.report(Tick(source=tape.SOURCE, n=0, at=later, seen=later))
    assert engine.advance().findings == []
    engine.report(fill)
    findings = engine.advance().findings
    assert shown(findings) == ("outside:E1 cannot_tell", "receipt:E1 confirmed")
    assert [f.reason for f in findings if f.certainty == "cannot_tell"] == [poor_fill.LATE]


def test_a_route_is_compared_with_the_receipt_of_its_customers_order() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +1s       quote IBM 100.10x100.12
        +1s       routed id=A1 parent=A venue=XNYS type=limit limit=100.12
        +1ms      filled id=A1 exec=E1 qty=100 price=100.12
        09:32:00  tick
    """)
    (finding,) = findings
    assert (finding.subject, finding.order_id, finding.route_id) == ("receipt:E1", "A", "A1")
    assert finding.evidence["excess_nano"] == 10 * CENT


@pytest.mark.parametrize("tif", ["opg", "cls"])
def test_orders_for_an_auction_are_not_compared_with_the_nbbo(tif: str) -> None:
    assert judge(bought("109", terms=f"side=buy type=market tif={tif}")) == []
