"""Execution quality of one fill: spreads and price improvement, exact, with the source of each formula.

Definitions of 17 CFR 242.600(b) as Rule 605 uses them: the NBBO counts at the time the order was received, not when
it was executed. Prices and results are integers in 1e-9 of the currency unit. Nothing is halved: a midpoint is
carried as bid + ask, twice its value, so that no result is ever rounded. Sign: a spread is a cost when positive,
price improvement is a gain when positive.

What the state of the quote allows:

============================  ================  =============  =================  =========
quote                         effective spread  quoted spread  price improvement  E/Q
============================  ================  =============  =================  =========
ok                            yes               yes            yes                yes
locked (bid equals ask)       yes               0              yes                undefined
crossed, one-sided, stale,    no                no             no                 undefined
none
============================  ================  =============  =================  =========

For several fills each average is weighted by shares, and E/Q is the ratio of the two averages, never the average of
the ratios: `eq_of` of the weighted sums.
"""

from __future__ import annotations

from msgspec import Struct

from monitor.wire.events import Quote, Side


class Scores(Struct, frozen=True, kw_only=True):
    """The scores of one fill; ``None`` where the quote does not allow one."""

    effective_spread: int | None = None
    quoted_spread: int | None = None
    price_improvement: int | None = None
    eq_ratio: float | None = None


UNSCORED = Scores()


def score(side: Side | None, price: int, receipt: Quote | None) -> Scores:
    """Score a fill at ``price`` against the NBBO at the receipt of its order; all ``None`` without a usable quote."""
    if receipt is None or receipt.state not in ("ok", "locked") or receipt.bid is None or receipt.ask is None:
        return UNSCORED
    quoted = quoted_spread(receipt.bid, receipt.ask)
    if side is None:
        return Scores(quoted_spread=quoted)
    effective = effective_spread(side, price, receipt.bid, receipt.ask)
    return Scores(
        effective_spread=effective,
        quoted_spread=quoted,
        price_improvement=price_improvement(side, price, receipt.bid, receipt.ask),
        eq_ratio=eq_of(effective, quoted),
    )


def effective_spread(side: Side, price: int, bid: int, ask: int) -> int:
    """``2·s·(P - M0)``: double the distance from the midpoint, positive when the customer paid it (242.600(b)).

    s is +1 for a buyer and -1 for every kind of seller.
    """
    distance = 2 * price - (bid + ask)
    return distance if side == "buy" else -distance


def quoted_spread(bid: int, ask: int) -> int:
    """``NBO0 - NBB0``: best offer less best bid; negative when crossed."""
    return ask - bid


def price_improvement(side: Side, price: int, bid: int, ask: int) -> int:
    """``s·(N0 - P)`` a share, N0 the far side: positive is better than quoted, negative is outside the quote.

    The far side is the price a marketable order trades at: the offer for a buyer, the bid for a seller.
    """
    return ask - price if side == "buy" else price - bid


def eq_of(effective: int, quoted: int) -> float | None:
    """E/Q, effective over quoted spread: of one fill, or of two sums with the same weights.

    Undefined (``None``) when the quoted spread is not positive: locked or crossed.
    """
    return effective / quoted if quoted > 0 else None
