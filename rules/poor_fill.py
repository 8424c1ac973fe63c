"""Poor fill: outside the NBBO at its execution, or worse than the NBBO when the customer's order was received."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct

from monitor.engine import certainty, quality
from monitor.engine.certainty import Judged
from monitor.engine.orders import Fill, Moment, Order
from monitor.engine.rule import Answers, Example, Observation, Rule, Verdict
from monitor.wire.events import Corrected, Filled, Quote, Side
from monitor.wire.formats import dollars, nano

Evidence = dict[str, int | float | str | bool | None]

NO_SIDE = "the side of the order is not known"
LATE = "the execution was reported after its time had been settled: the NBBO of its instant is no longer known"


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Dollars a share by which a fill may be worse before it is told."""

    outside_tolerance_usd: Decimal = Decimal("0")
    """How far a buy may be above the best offer, or a sell below the best bid, at its execution."""
    receipt_tolerance_usd: Decimal = Decimal("0.01")
    """How far a fill may be worse than the far side of the NBBO when the customer's order was received."""
    receipt_classes: tuple[Literal["market", "marketable", "resting", "unknown"], ...] = (
        "market",
        "marketable",
        "unknown",
    )
    """Order classes that are held to the NBBO at receipt; a resting order is held to its own limit instead."""

    def __post_init__(self) -> None:
        if self.outside_tolerance_usd < 0 or self.receipt_tolerance_usd < 0:
            raise ValueError("a tolerance cannot be negative")

    @cached_property
    def outside_tolerance(self) -> int:
        """The first of them in 1e-9 dollars."""
        return nano(self.outside_tolerance_usd)

    @cached_property
    def receipt_tolerance(self) -> int:
        """The second in 1e-9 dollars."""
        return nano(self.receipt_tolerance_usd)


def observe(seen: Observation, limits: Limits) -> Answers:
    """Judge an execution, or one that was corrected, against both quotes; an auction's price has none."""
    fill, root = seen.fill, seen.root
    if fill is None or _at_auction(seen, fill):
        return ()
    said = _at_execution(seen, fill, limits)
    if root.received is None or not _held_to_receipt(root, limits):
        return (said,)
    return said, _at_receipt(seen, fill, root.received, limits)


def _at_execution(seen: Observation, fill: Fill, limits: Limits) -> Verdict:
    subject = f"outside:{fill.exec_id}"
    side = _side(seen)
    why = LATE if fill.late else NO_SIDE if side is None else certainty.unusable(seen.quote)
    if why is not None or side is None:
        return _cannot_tell(seen, fill, subject, "the NBBO at execution", why or NO_SIDE)
    tolerance = limits.outside_tolerance
    excess = _excess(side, fill.price, seen.quote)
    if excess <= tolerance:
        return Verdict(subject=subject, fires=False, reason="within the NBBO at execution")
    judged = certainty.beyond(side, fill.price, tolerance, seen.window)
    title = f"{_did(side, fill)} {dollars(excess)} a share outside the NBBO {_shown(seen.quote)} at execution"
    return _fires(seen, fill, subject, title, "outside_tolerance_usd", limits.outside_tolerance_usd, excess, judged)


def _at_receipt(seen: Observation, fill: Fill, received: Moment, limits: Limits) -> Verdict:
    subject = f"receipt:{fill.exec_id}"
    side = _side(seen)
    why = NO_SIDE if side is None else certainty.unusable(received.quote)
    if why is not None or side is None:
        return _cannot_tell(seen, fill, subject, "the NBBO at receipt", why or NO_SIDE)
    tolerance = limits.receipt_tolerance
    excess = _excess(side, fill.price, received.quote)
    if excess <= tolerance:
        return Verdict(subject=subject, fires=False, reason="no worse than the NBBO at receipt, within tolerance")
    if seen.root.order_class in (None, "unknown"):
        judged = Judged("possible", "the type of the order was not reported: one that rested may fill worse")
    else:
        judged = certainty.beyond(side, fill.price, tolerance, received.window)
    title = f"{_did(side, fill)} {dollars(excess)} a share worse than the NBBO {_shown(received.quote)} at receipt"
    return _fires(seen, fill, subject, title, "receipt_tolerance_usd", limits.receipt_tolerance_usd, excess, judged)


def _at_auction(seen: Observation, fill: Fill) -> bool:
    return fill.auction or (seen.order.tif or seen.root.tif) in ("opg", "cls")


def _held_to_receipt(root: Order, limits: Limits) -> bool:
    """Stop and pegged orders are priced by what happens after their receipt."""
    plain = root.ord_type in (None, "market", "limit")
    return plain and (root.order_class or "unknown") in limits.receipt_classes


def _fires(
    seen: Observation,
    fill: Fill,
    subject: str,
    title: str,
    limit_name: str,
    limit: Decimal,
    excess: int,
    judged: Judged,
) -> Verdict:
    return Verdict(
        subject=subject,
        fires=True,
        certainty=judged.certainty,
        title=title,
        evidence={"excess_nano": excess, **_evidence(seen, fill)},
        limit_name=limit_name,
        limit_value=f"{limit} USD a share",
        at=fill.moment.at,
        cost=int(fill.qty * excess),
        reason=judged.reason,
    )


def _cannot_tell(seen: Observation, fill: Fill, subject: str, against: str, why: str) -> Verdict:
    return Verdict(
        subject=subject,
        fires=True,
        certainty="cannot_tell",
        title=f"Fill at {dollars(fill.price)} cannot be compared with {against}: {why}",
        evidence=_evidence(seen, fill),
        limit_name="usable quote",
        limit_value="two-sided, neither locked, crossed nor stale",
        at=fill.moment.at,
        reason=why,
    )


def _evidence(seen: Observation, fill: Fill) -> Evidence:
    received = seen.root.received
    scores = quality.score(_side(seen), fill.price, None if received is None else received.quote)
    evidence: Evidence = {
        "price_nano": fill.price,
        "fill_shares": float(fill.qty),
        **_quoted("execution", None if fill.late else seen.quote, fill.moment.at),
        "effective_spread_nano": scores.effective_spread,
        "quoted_spread_nano": scores.quoted_spread,
        "price_improvement_nano": scores.price_improvement,
        "eq_ratio": scores.eq_ratio,
    }
    if received is not None:
        evidence.update(_quoted("receipt", received.quote, received.at))
    if seen.window is not None:
        evidence.update(
            window_lowest_bid_nano=seen.window.low_bid,
            window_highest_bid_nano=seen.window.high_bid,
            window_lowest_ask_nano=seen.window.low_ask,
            window_highest_ask_nano=seen.window.high_ask,
        )
    return evidence


def _quoted(when: str, quote: Quote | None, at: int) -> Evidence:
    if quote is None:
        return {f"{when}_quote_state": None}
    return {
        f"{when}_quote_state": quote.state,
        f"{when}_bid_nano": quote.bid,
        f"{when}_ask_nano": quote.ask,
        f"{when}_quote_age_ns": None if quote.at is None else at - quote.at,
    }


def _side(seen: Observation) -> Side | None:
    return seen.order.side or seen.root.side or seen.event.side


def _excess(side: Side, price: int, quote: Quote) -> int:
    """By how much the price is worse than the far side of a usable quote."""
    if quote.bid is None or quote.ask is None:
        raise ValueError("a usable quote has both sides")
    return -quality.price_improvement(side, price, quote.bid, quote.ask)


def _did(side: Side, fill: Fill) -> str:
    return f"{'Bought' if side == 'buy' else 'Sold'} {fill.qty.normalize():,f} at {dollars(fill.price)},"


def _shown(quote: Quote) -> str:
    return " × ".join("none" if p is None else dollars(p) for p in (quote.bid, quote.ask))


EXAMPLES = (
    Example(
        name="bought three cents above the offer, at receipt and at execution alike",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02 300x500
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=ARCX
            +2ms          filled id=A1 exec=E1 qty=100 price=100.05 venue=ARCX
            09:31:10.000  tick
        """,
        fires=("outside:E1 confirmed", "receipt:E1 confirmed"),
    ),
    Example(
        name="the offer went up while the order was on its way: inside at execution, worse than at receipt",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +200ms        quote IBM 100.04x100.06
            +300ms        filled id=A exec=E1 qty=100 price=100.06 venue=XNYS
            09:31:10.000  tick
        """,
        fires=("receipt:E1 confirmed",),
    ),
    Example(
        name="sold below the bid, but within the clocks' error a lower bid stood",
        tape="""
            09:30:00.000  quote IBM 99.98x100.02
            09:31:00.000  received id=A side=sell qty=100 type=market
            +1s           quote IBM 100.00x100.02
            +10ms         filled id=A exec=E1 qty=100 price=99.99 venue=XNYS
            09:31:10.000  tick
        """,
        fires=("outside:E1 possible",),
    ),
    Example(
        name="worse than at receipt, but the offer had changed within the clocks' error of it",
        tape="""
            09:30:00.000  quote IBM 100.00x100.06
            09:31:00.000  quote IBM 100.00x100.02
            +20ms         received id=A side=buy qty=100 type=market
            +200ms        quote IBM 100.04x100.06
            +100ms        filled id=A exec=E1 qty=100 price=100.06 venue=XNYS
            09:31:10.000  tick
        """,
        fires=("receipt:E1 possible",),
    ),
    Example(
        name="the quote was crossed: nobody can tell",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +200ms        quote IBM 100.03x100.02
            +100ms        filled id=A exec=E1 qty=100 price=100.02 venue=XNYS
            09:31:10.000  tick
        """,
        fires=("outside:E1 cannot_tell",),
    ),
    Example(
        name="at the offer",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 venue=ARCX
            09:31:10.000  tick
        """,
    ),
    Example(
        name="improved: sold above the bid",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=sell_short qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.0125 venue=FINN
            09:31:10.000  tick
        """,
    ),
    Example(
        name="the closing cross has its own price",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.40 venue=XNYS auction=true
            09:31:10.000  tick
        """,
    ),
    Example(
        name="outside by less than the policy tolerates",
        limits='outside_tolerance_usd = "0.01"',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.03 venue=ARCX
            09:31:10.000  tick
        """,
    ),
    Example(
        name="the execution was busted",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.50 venue=ARCX
            +2m           busted id=A ref=E1
            09:34:00.000  tick
        """,
    ),
    Example(
        name="the execution was corrected to a price that was displayed",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.20 venue=ARCX
            +2m           corrected id=A ref=E1 price=100.02
            09:34:00.000  tick
        """,
    ),
)


RULE = Rule(
    name="poor_fill",
    version=1,
    title="Poor fill",
    severity="warning",
    factor="price improvement and price disimprovement (5310.09(b)(1), (b)(2))",
    describe=(
        "Compares every execution with the NBBO twice. At its execution: a buy above the best offer or a sell below "
        "the best bid means that a better price was displayed somewhere at that instant. At the receipt of the "
        "customer's order: a fill worse than the far side that stood then means that the price was lost while the "
        "order was being worked, which is what price disimprovement means in Rule 605 and in FINRA 5310. Effective "
        "and quoted spread, price improvement and E/Q against the NBBO at receipt are in the evidence. Where the "
        "quote is locked, crossed, one-sided, stale or absent, or the execution was reported too late, the answer "
        "is *cannot tell*, which is kept on the record and alarms nobody. Executions in an auction are not judged."
    ),
    runbook=(
        "1. Open the order: compare fill and quote at both instants, and look at the age of the quotes.\n"
        "2. Outside at execution: ask the vendor which venues it checked, and whether the order was an intermarket "
        "sweep.\n"
        "3. Worse than at receipt: look at the order's hops; a slow one explains the lost price.\n"
        "4. Many symbols at once, all venues: suspect our quote feed or clock before the router.\n"
        "5. Several from one venue: consider taking the venue out until it is explained; record the decision."
    ),
    blind_to=(
        "Orders whose receipt is not in the drop copy, stop and pegged orders are not compared with the NBBO at "
        "receipt. Displayed size and "
        "odd-lot quotes are not looked at: an order larger than the size displayed may fill outside the best price "
        "for that reason alone. Exceptions of Rule 611 (sweeps, flickering quotes, benchmark prices) are not told "
        "apart."
    ),
    limits=Limits,
    observe=observe,
    heeds=(Filled, Corrected),
    examples=EXAMPLES,
)
