"""An order's story so far: receipt, routes, acknowledgements, fills, busts, corrections, and its end."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from monitor.events import Quote, Side

NOTHING = Decimal(0)
"""No shares."""

Ending = Literal["filled", "cancelled", "rejected", "expired"]


class Window(Struct, frozen=True, kw_only=True):
    """The extremes of the NBBO within the clocks' error budget around an instant, the instant's own quote included.

    A side that was absent throughout is ``None``.
    """

    low_bid: int | None
    high_bid: int | None
    low_ask: int | None
    high_ask: int | None


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
    ended: Ending | None = None
    fills: dict[str, Fill] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    filled: Decimal = NOTHING
    """Shares of its own live fills."""
    filled_below: Decimal = NOTHING
    """Shares of the live fills of its routes; the same shares may be reported at both levels."""
    new_ids: dict[str, str] = field(default_factory=dict)
    """ExecIDs given to corrected executions → the ExecID they were first reported under."""
