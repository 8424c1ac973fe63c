"""An order's story so far: receipt, routes, acknowledgements, fills, busts, corrections, and its end."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from monitor.events import Quote, Side


class Moment(Struct, frozen=True, kw_only=True):
    """One step of the story: when, by whose clock, and the NBBO of that instant."""

    at: int
    clock: str
    quote: Quote
    venue: str | None = None


class Fill(Struct, kw_only=True):
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


class Order(Struct, kw_only=True):
    """One order at one level: the customer's, or a route of it."""

    order_id: str
    symbol: str
    session: str
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
    ended: Literal["filled", "cancelled", "rejected", "expired"] | None = None
    fills: dict[str, Fill] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
