"""Busts and corrections: shares taken back or changed, and what comes before the execution it is about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from monitor.engine.families import Family, credit
from monitor.engine.joined import Joined
from monitor.engine.orders import Fill, Order, complete, executed, reopen
from monitor.wire.events import Busted, Corrected, sender_of

PARKED_MOST = 10_000
"""Executions that have not come yet for which busts and corrections are kept."""


def bust(family: Family, order: Order, fill: Fill) -> None:
    """An execution never was: its shares are open again, at every level."""
    before = executed(order)
    fill.state = "busted"
    fill.revision += 1
    order.filled -= fill.qty
    credit(family, order, before)
    for each in family.upwards(order):
        reopen(each)


def correct(event: Corrected, family: Family, order: Order, fill: Fill) -> None:
    """An execution's price or quantity was another one; what was first reported is kept, to know a repeat by."""
    before = executed(order)
    fill.first_qty = fill.qty if fill.first_qty is None else fill.first_qty
    fill.first_price = fill.price if fill.first_price is None else fill.first_price
    if event.qty is not None:
        order.filled += event.qty - fill.qty
        fill.qty = event.qty
    fill.price = event.price if event.price is not None else fill.price
    fill.state = "corrected"
    fill.revision += 1
    if event.exec_id is not None and event.exec_id != fill.exec_id:
        order.new_ids[event.exec_id] = fill.exec_id
    credit(family, order, before)
    for each in family.upwards(order):
        reopen(each)
        complete(each, fill.moment, None)


class Parked:
    """Busts and corrections that wait for their execution."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, str, str], list[Joined]] = OrderedDict()

    def __iter__(self) -> Iterator[Joined]:
        for waiting in self._waiting.values():
            yield from waiting

    def put(self, joined: Joined, event: Busted | Corrected) -> bool:
        """Let it wait; answers whether it was new. The oldest is given up where too many wait."""
        waiting = self._waiting.setdefault((sender_of(event), event.symbol, event.ref_exec_id), [])
        if any(_identity(other) == _identity(joined) for other in waiting):
            return False
        waiting.append(joined)
        if len(self._waiting) > PARKED_MOST:
            self._waiting.popitem(last=False)
        return True

    def take(self, sender: str, symbol: str, exec_id: str) -> list[Joined]:
        """Those of an execution, which wait no longer."""
        return self._waiting.pop((sender, symbol, exec_id), []) if self._waiting else []

    def restore(self, parked: list[Joined]) -> None:
        """Put back what a snapshot kept."""
        for joined in parked:
            if isinstance(joined.event, Busted | Corrected):
                self.put(joined, joined.event)


def _identity(joined: Joined) -> tuple[str, int, int]:
    return joined.event.source, joined.event.n, joined.event.part
