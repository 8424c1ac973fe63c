"""An order's story so far: receipt, routes, acknowledgements, fills, busts, corrections, and its end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct, field

from monitor.wire.events import (
    DAY_NS,
    Acked,
    Cancelled,
    Expired,
    Filled,
    OrderKind,
    Quote,
    Received,
    Rejected,
    Replaced,
    Restated,
    Routed,
    Side,
    Terms,
)

NOTHING = Decimal(0)
"""No shares."""
REUSED_AFTER_NS = DAY_NS // 4
"""How long after an order its id may name another one, on another day."""

Ending = Literal["filled", "cancelled", "rejected", "expired"]


class Window(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """The extremes of the NBBO within the clocks' error budget around an instant, the instant's own quote included.

    A side that was absent throughout is ``None``.
    """

    low_bid: int | None
    high_bid: int | None
    low_ask: int | None
    high_ask: int | None


class Moment(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One step of the story: when, by whose clock, and the NBBO of that instant."""

    at: int
    clock: str
    quote: Quote
    venue: str | None = None
    window: Window | None = None
    """For the receipt: the NBBO's extremes around it, for a fill may be compared with the quote of that instant."""


class Fill(Struct, kw_only=True, gc=False, array_like=True):
    """One execution of an order, as it is now."""

    exec_id: str
    moment: Moment
    seen: int
    qty: Decimal
    price: int
    venue: str | None
    venue_sent: str | None
    auction: bool = False
    late: bool = False
    state: Literal["live", "busted", "corrected"] = "live"
    revision: int = 0
    window: Window | None = None
    """The NBBO's extremes around the instant of the fill, kept so that a correction is judged against the same."""
    session: str = ""
    source: str = ""
    n: int = 0
    part: int = 0
    vendor: str | None = None
    side: Side | None = None
    first_qty: Decimal | None = None
    """Quantity and price as first reported, where a correction has changed them: a repeat is known by these."""
    first_price: int | None = None


class Order(Struct, kw_only=True, gc=False, array_like=True):
    """One order at one level: the customer's, or a route of it."""

    order_id: str
    symbol: str
    session: str
    sender: str = ""
    """Whose id it is: another sender's order of the same id is another order."""
    since: int = 0
    """Time of its first event: the day of it is part of its findings' ids."""
    source: str = ""
    """Journal its first event came from: silence about the order means something only as far as that has been heard."""
    named_only: bool = False
    """Known only as the parent that a route named."""
    parent_id: str | None = None
    side: Side | None = None
    qty: Decimal | None = None
    ord_type: str | None = None
    limit: int | None = None
    """Limit price, 1e-9 of the currency."""
    tif: str | None = None
    vendor: str | None = None
    order_class: str | None = None
    """``market``, ``marketable``, ``resting`` or ``unknown``: settled by the NBBO at receipt."""
    received: Moment | None = None
    routed: Moment | None = None
    acked: Moment | None = None
    done: Moment | None = None
    ended: Ending | None = None
    first_done: Moment | None = None
    """When it was over for the first time: stays where a bust has opened the order again, for it had been answered."""
    fills: dict[str, Fill] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    filled: Decimal = NOTHING
    """Shares of its own live fills."""
    filled_below: Decimal = NOTHING
    """Shares of the live fills of its routes; the same shares may be reported at both levels."""
    new_ids: dict[str, str] = field(default_factory=dict)
    """ExecIDs given to corrected executions → the ExecID they were first reported under."""


def names_another(order: Order, event: OrderKind) -> bool:
    """Whether an event under this order's id is about another order: one of a later day.

    A ClOrdID is unique for a trading day only (FIX 4.4, tag 11). The opening of an order that is open already, or an
    execution of one that is over, is taken for a new order when it comes on another day and hours later; an order
    that is good till cancelled keeps its id over nights.
    """
    before = order.done if type(event) is Filled else _opening(order, event)
    if before is None or event.at - before.at < REUSED_AFTER_NS or event.at // DAY_NS == order.since // DAY_NS:
        return False
    return order.done is not None or order.tif not in ("gtc", "gtd")


def _opening(order: Order, event: OrderKind) -> Moment | None:
    """The moment that an event of the same kind has marked before."""
    kind = type(event)
    if kind is Received:
        return order.received
    if kind is Routed:
        return order.routed
    return order.acked if kind is Acked else None


def executed(order: Order) -> Decimal:
    """Shares executed, counted once where routes and their order both report the same fills."""
    own, below = order.filled, order.filled_below
    return own if own >= below else below


def tell(order: Order, event: OrderKind, moment: Moment) -> None:
    """Add one event to the story (fills, busts and corrections apart)."""
    if order.named_only:
        order.named_only = False
        order.session, order.source = event.session, event.source
    if order.side is None:
        order.side = event.side
    if order.vendor is None:
        order.vendor = event.vendor
    step = _STEPS.get(type(event))
    if step is not None:
        step(order, event, moment)


def _received(order: Order, event: Received, moment: Moment) -> None:
    if order.received is None:
        order.received = moment
        _set_terms(order, event)
        order.order_class = class_of(order, moment.quote)


def _routed(order: Order, event: Routed, moment: Moment) -> None:
    if order.routed is None:
        order.routed = moment
        if order.received is None:
            _set_terms(order, event)
            order.order_class = class_of(order, moment.quote)


def _acked(order: Order, event: Acked, moment: Moment) -> None:
    if order.acked is None:
        order.acked = moment


def _changed(order: Order, event: Replaced | Restated, moment: Moment) -> None:
    _set_terms(order, event)
    complete(order, moment, None)


def _rejected(order: Order, event: Rejected, moment: Moment) -> None:
    finish(order, "rejected", moment)


def _cancelled(order: Order, event: Cancelled, moment: Moment) -> None:
    finish(order, "cancelled", moment)


def _expired(order: Order, event: Expired, moment: Moment) -> None:
    finish(order, "expired", moment)


_STEPS: dict[type, Callable[[Order, Any, Moment], None]] = {
    Received: _received,
    Routed: _routed,
    Acked: _acked,
    Replaced: _changed,
    Restated: _changed,
    Rejected: _rejected,
    Cancelled: _cancelled,
    Expired: _expired,
}


def finish(order: Order, ending: Ending, moment: Moment) -> None:
    """The order is over; what comes later does not change when and how."""
    if order.done is None:
        order.done, order.ended = moment, ending
        order.first_done = order.first_done or moment


def complete(order: Order, moment: Moment, leaves: Decimal | None) -> None:
    """Over when all of its quantity is executed; where that is unknown, when the fill says nothing is left."""
    done = executed(order)
    full = done >= order.qty if order.qty is not None else leaves == NOTHING
    if full and done > NOTHING:
        finish(order, "filled", moment)


def reopen(order: Order) -> None:
    """A bust or correction took shares back: an order that had been filled is open again."""
    if order.ended == "filled" and order.qty is not None and executed(order) < order.qty:
        order.done = order.ended = None


def class_of(order: Order, quote: Quote) -> str:
    """What kind of order it is against the NBBO at its receipt."""
    if order.ord_type == "market":
        return "market"
    if order.ord_type != "limit" or order.limit is None or order.side is None or quote.state in ("none", "stale"):
        return "unknown"
    far = quote.ask if order.side == "buy" else quote.bid
    if far is None:
        return "unknown"
    reaches = order.limit >= far if order.side == "buy" else order.limit <= far
    return "marketable" if reaches else "resting"


def same_fill(fill: Fill, event: Filled) -> bool:
    """Whether the event reports the execution that is known already, rather than another under its ExecID.

    Its time does not count: where TransactTime(60) is absent it is that of the sending, and changes when sent again.
    """
    qty = fill.first_qty if fill.first_qty is not None else fill.qty
    price = fill.first_price if fill.first_price is not None else fill.price
    return qty == event.qty and price == event.price


def _set_terms(order: Order, event: Terms) -> None:
    order.qty = event.qty if event.qty is not None else order.qty
    order.ord_type = event.ord_type or order.ord_type
    order.limit = event.price if event.price is not None else order.limit
    order.tif = event.tif or order.tif
