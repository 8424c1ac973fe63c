"""A synthetic router: a day's orders as drop-copy messages, some of them with planted faults.

Pure: everything follows from the seed, the plan and the market's NBBO. What it sends is labelled synthetic by its
CompIDs and identifiers (``SIM-…``). It is honest about its limits: one child an order, no queue, no rejections that
depend on the market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from msgspec import Struct

from monitor.demo.fix_text import fix_time, price_text
from monitor.feeds.synthetic_market import Touch

Fault = Literal["slow_route", "slow_ack", "no_ack", "slow_fill", "outside", "receipt", "venue", "busted"]
Field = tuple[int, str]

RULE_OF: dict[Fault, str] = {
    "slow_route": "slow_order",
    "slow_ack": "slow_order",
    "no_ack": "slow_order",
    "slow_fill": "slow_order",
    "outside": "poor_fill",
    "receipt": "poor_fill",
    "venue": "unexpected_venue",
    "busted": "poor_fill",
}
"""Which rule must find a planted fault."""

MS = 1_000_000
CENT = 10_000_000


Market = Callable[[str, int, int], Touch | None]
"""(symbol, from ns, to ns) → the extremes of its NBBO over that span; ``None`` when it has no usable quote then."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to send and what to plant."""

    seed: int
    start: int
    """First receipt, ns UTC."""
    end: int
    """Last receipt, ns UTC."""
    orders_per_second: float
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    """Declared venues, as MICs."""
    strange: tuple[str, ...]
    """Venues nobody declared."""
    fault_every: int = 25
    """One order in so many carries a fault, each kind in its turn."""
    margin_ns: int = 20 * MS
    """Planted poor fills are poor, and ordinary fills are good, at every quote this near to them."""


class Sent(Struct, frozen=True):
    """One drop-copy message: when the router sends it, and its body fields in order."""

    at: int
    fields: tuple[Field, ...]


class Planted(Struct, frozen=True):
    """One planted fault and where."""

    fault: Fault
    order_id: str
    symbol: str


class Order(Struct, frozen=True, kw_only=True):
    """One simulated order with its messages."""

    sent: tuple[Sent, ...]
    planted: Planted | None
    fills: int


Orders = Iterator[Order]


class _Draft(Struct, frozen=True, kw_only=True):
    """The random part of an order, drawn before anything depends on the market."""

    number: int
    symbol: str
    buy: bool
    qty: int
    venue: str
    fault: Fault | None
    received: int
    routed: int
    acked: int
    filled: int


FAULTS: tuple[Fault, ...] = ("slow_route", "outside", "venue", "slow_ack", "receipt", "no_ack", "busted", "slow_fill")


def orders(plan: Plan, market: Market) -> Orders:
    """The orders of the plan by time of receipt; an order whose symbol has no usable quote is not sent."""
    random = np.random.default_rng(plan.seed)
    step = int(1e9 / plan.orders_per_second)
    for number, at in enumerate(range(plan.start, plan.end, step)):
        order = _order(plan, market, _draft(plan, random, number, at))
        if order is not None:
            yield order


def _draft(plan: Plan, random: np.random.Generator, number: int, at: int) -> _Draft:
    turn, rest = divmod(number, plan.fault_every)
    fault = FAULTS[turn % len(FAULTS)] if rest == plan.fault_every - 1 else None
    hop = [int(ms * MS) for ms in random.uniform((0.2, 0.5, 0.5), (0.8, 3.0, 5.0))]
    late = {"slow_route": (400, 0, 0), "slow_ack": (0, 600, 0), "slow_fill": (0, 0, 1500)}.get(fault or "", (0, 0, 0))
    received = at + int(random.integers(0, MS))
    routed = received + hop[0] + late[0] * MS
    acked = routed + hop[1] + late[1] * MS
    return _Draft(
        number=number,
        symbol=str(random.choice(plan.symbols)),
        buy=bool(random.integers(2)),
        qty=int(random.integers(1, 20)) * 100,
        venue=str(random.choice(plan.strange if fault == "venue" else plan.venues)),
        fault=fault,
        received=received,
        routed=routed,
        acked=acked,
        filled=acked + hop[2] + late[2] * MS,
    )


def _order(plan: Plan, market: Market, draft: _Draft) -> Order | None:
    receipt = market(draft.symbol, draft.received - plan.margin_ns, draft.received + plan.margin_ns)
    execution = market(draft.symbol, draft.filled - plan.margin_ns, draft.filled + plan.margin_ns)
    if receipt is None or execution is None:
        return None
    price = _price(draft, receipt, execution)
    if price is None:
        return None
    planted = None if draft.fault is None else Planted(draft.fault, parent_id(draft.number), draft.symbol)
    sent = [_received(draft), _routed(draft)]
    if draft.fault != "no_ack":
        sent += [_acked(draft), *_fills(draft, price)]
    if draft.fault == "busted":
        sent.append(_bust(draft, price))
    return Order(sent=tuple(sent), planted=planted, fills=sum((150, "F") in s.fields for s in sent))


def _price(draft: _Draft, receipt: Touch, execution: Touch) -> int | None:
    """A price that is good, or poor in the way planted, at every quote near it; none when the market forbids it."""
    if draft.buy:
        good, bad = min(receipt.low_ask, execution.low_ask), execution.high_ask + 5 * CENT
        if draft.fault == "receipt":
            return execution.low_ask if execution.low_ask > receipt.high_ask + CENT else bad
    else:
        good, bad = max(receipt.high_bid, execution.high_bid), execution.low_bid - 5 * CENT
        if draft.fault == "receipt":
            return execution.high_bid if execution.high_bid < receipt.low_bid - CENT else bad
    return bad if draft.fault in ("outside", "busted") else good


def parent_id(number: int) -> str:
    """ClOrdID of the customer's order."""
    return f"SIM-{number:07d}"


def _route_id(draft: _Draft) -> str:
    return f"{parent_id(draft.number)}-1"


def _terms(draft: _Draft) -> list[Field]:
    return [(55, draft.symbol), (54, "1" if draft.buy else "2"), (38, str(draft.qty)), (40, "1"), (59, "0")]


def _received(draft: _Draft) -> Sent:
    body = [(35, "D"), (11, parent_id(draft.number)), *_terms(draft), (60, fix_time(draft.received))]
    return Sent(draft.received, tuple(body))


def _routed(draft: _Draft) -> Sent:
    link = [(11, _route_id(draft)), (526, parent_id(draft.number)), (100, draft.venue)]
    return Sent(draft.routed, ((35, "D"), *link, *_terms(draft), (60, fix_time(draft.routed))))


def _report(draft: _Draft, kind: str, status: str, at: int, exec_id: str, cum: int, rest: list[Field]) -> Sent:
    ids = [(35, "8"), (37, f"B{draft.number}"), (11, _route_id(draft)), (526, parent_id(draft.number)), (17, exec_id)]
    state = [(150, kind), (39, status), (14, str(cum)), (151, str(draft.qty - cum)), (6, "0")]
    return Sent(at, (*ids, *state, *_terms(draft), *rest, (60, fix_time(at))))


def _acked(draft: _Draft) -> Sent:
    return _report(draft, "0", "0", draft.acked, f"A{draft.number}", 0, [])


def _fills(draft: _Draft, price: int) -> list[Sent]:
    """One fill, or two halves a tenth of a millisecond apart for every third order of 200 shares or more."""
    first = draft.qty // 200 * 100 if draft.number % 3 == 0 and draft.qty >= 200 else draft.qty
    parts = [first] if first == draft.qty else [first, draft.qty - first]
    sent, cum = [], 0
    for i, qty in enumerate(parts):
        cum += qty
        last = [(32, str(qty)), (31, price_text(price)), (30, draft.venue), (851, "2")]
        status = "2" if cum == draft.qty else "1"
        sent.append(_report(draft, "F", status, draft.filled + i * MS // 10, f"E{draft.number}.{i}", cum, last))
    return sent


def _bust(draft: _Draft, price: int) -> Sent:
    """The first fill is busted two seconds later."""
    rest = [(19, f"E{draft.number}.0"), (32, "0"), (31, price_text(price)), (30, draft.venue)]
    return _report(draft, "H", "4", draft.filled + 2000 * MS, f"X{draft.number}", 0, rest)


def messages(planned: Orders) -> Iterator[tuple[Sent, Order]]:
    """The messages of all orders by the time they are sent, each with its order; reads ahead only as far as it must."""
    waiting: list[tuple[int, int, Sent, Order]] = []
    count = 0
    for order in planned:
        for sent in order.sent:
            heappush(waiting, (sent.at, count, sent, order))
            count += 1
        received = order.sent[0].at
        while waiting and waiting[0][0] < received - MS:
            _, _, sent, owner = heappop(waiting)
            yield sent, owner
    while waiting:
        _, _, sent, owner = heappop(waiting)
        yield sent, owner
