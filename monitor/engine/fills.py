"""Executions as parts of their orders: made from their reports, counted, and told again as reports."""

from __future__ import annotations

from decimal import Decimal

from monitor.engine.families import Family, credit
from monitor.engine.joined import Joined
from monitor.engine.orders import Fill, Moment, Order, complete, executed
from monitor.wire.events import Filled


def exec_id_of(event: Filled) -> str:
    """The name of the execution; where none was sent, that of its place in the journal."""
    return event.exec_id if event.exec_id is not None else f"{event.source}/{event.n}/{event.part}"


def fill_of(joined: Joined, event: Filled, exec_id: str) -> Fill:
    """The execution that an event reports."""
    return Fill(
        exec_id=exec_id,
        moment=Moment(at=event.at, clock=event.clock, quote=joined.quote, venue=event.venue),
        seen=event.seen,
        qty=event.qty,
        price=event.price,
        venue=event.venue,
        venue_sent=event.venue_sent,
        auction=event.auction,
        late=joined.late,
        window=joined.window,
        session=event.session,
        source=event.source,
        n=event.n,
        part=event.part,
        vendor=event.vendor,
        side=event.side,
    )


def event_of(fill: Fill, order: Order) -> Filled:
    """The event that reported a fill, as the fill stands now."""
    return Filled(
        source=fill.source,
        n=fill.n,
        part=fill.part,
        at=fill.moment.at,
        clock=fill.moment.clock,
        seen=fill.seen,
        session=fill.session,
        sender=order.sender,
        symbol=order.symbol,
        order_id=order.order_id,
        parent_id=order.parent_id,
        exec_id=fill.exec_id,
        side=fill.side,
        venue=fill.venue,
        venue_sent=fill.venue_sent,
        vendor=fill.vendor,
        qty=fill.qty,
        price=fill.price,
        auction=fill.auction,
    )


def add(family: Family, order: Order, fill: Fill, leaves: Decimal | None) -> None:
    """Put a new execution into its order's story: carry its shares up, and end what they complete."""
    before = executed(order)
    order.fills[fill.exec_id] = fill
    order.filled += fill.qty
    credit(family, order, before)
    complete(order, fill.moment, leaves)
    parent = family.parent(order)
    while parent is not None:
        complete(parent, fill.moment, None)
        parent = family.parent(parent)


def complete_late(family: Family, order: Order) -> None:
    """Terms or lineage became known after fills: the last of them may have ended the orders above."""
    moments = [f.moment for each in family.downwards(order) for f in each.fills.values() if f.state != "busted"]
    if moments:
        last = max(moments, key=lambda moment: moment.at)
        for each in family.upwards(order):
            complete(each, last, None)
