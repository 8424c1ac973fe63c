"""Every order that is open, and as many finished ones as may still be busted or corrected.

Orders are kept in *families*: a customer's order with all routes of it, and what rules have said of them. A family is
what is remembered, written into a snapshot and forgotten as one. A finished family is remembered until ``kept`` later
ones have finished; one that rules have found something about four times as long.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Struct, field

from monitor.engine.orders import NOTHING, Order, executed
from monitor.engine.rule import Verdict
from monitor.wire.events import Limit, OrderKind, sender_of

NEVER_QUEUED = 0
FLAGGED_LONGER = 4
"""How many times longer a finished family with findings is remembered."""


class Published(Struct, kw_only=True, gc=False, array_like=True):
    """What was last said of one subject."""

    order_id: str
    rule: str
    verdict: Verdict
    limit: Limit
    exec_id: str | None
    venue: str | None
    at: int
    seen: int | None
    id: str = ""
    """Of the finding, worked out when it is first published: what becomes known of the order later changes nothing."""
    content: bytes = b""
    """Digest of what was last published, by which it is known whether there is something new to say."""
    revision: int = 0
    live: bool = True
    """False once withdrawn."""


class Family(Struct, kw_only=True, gc=False, array_like=True):
    """A customer's order, its routes, what was said of them and what is to be asked again."""

    root: str
    symbol: str
    orders: dict[str, Order] = field(default_factory=dict)
    told: dict[str, Published] = field(default_factory=dict)
    """By order, rule and subject."""
    deadlines: dict[str, int] = field(default_factory=dict)
    """When silence about an order, rule and subject would be a finding."""
    finished: bool = False
    since: int = NEVER_QUEUED
    """When it came to be open, finished or flagged, counted in such changes: those first there are forgotten first."""

    def order(self) -> Order:
        """The customer's order."""
        return self.orders[self.root]

    def upwards(self, order: Order) -> Iterator[Order]:
        """The order, its parent, and so on."""
        above: Order | None = order
        while above is not None:
            yield above
            above = self.parent(above)

    def downwards(self, order: Order) -> list[Order]:
        """The order, its routes, theirs, and so on."""
        line = [order]
        for each in line:
            line.extend(self.orders[child] for child in each.children if child in self.orders)
        return line

    def parent(self, order: Order) -> Order | None:
        """The order above, where it is known."""
        return None if order.parent_id is None else self.orders.get(order.parent_id)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Family)


def decode_family(data: bytes) -> Family:
    """A family from its bytes; raises ``msgspec.DecodeError``."""
    return _decoder.decode(data)


class Queue(OrderedDict[int, Family]):
    """Families in the order in which they are to be forgotten, and how many may be remembered."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most


class Families:
    """Families by the orders in them."""

    def __init__(self, kept: int, open_most: int) -> None:
        self.forgotten = 0
        """Families given up while open because there were too many."""
        self._of: dict[tuple[str, str, str], Family] = {}
        """By sender, symbol and order id."""
        self._open = Queue(open_most)
        self._closed = Queue(kept)
        self._flagged = Queue(kept * FLAGGED_LONGER)
        self._execs: dict[tuple[str, str, str], tuple[str, ...]] = {}
        """By sender, symbol and ExecID: the orders it was reported of."""
        self._bytes: dict[int, bytes] = {}
        """Of families as they are now, by their ``since``: what has not changed is not encoded for every snapshot."""
        self._unwritten: dict[int, Family] = {}
        """Finished families without bytes, once snapshots are taken: nearly all of them change no more."""
        self._snapshots = 0
        self._clock = 0

    @property
    def open_orders(self) -> int:
        """Customers' orders that are not over."""
        return len(self._open)

    def find(self, sender: str, symbol: str, order_id: str) -> Family | None:
        """The family of an order."""
        return self._of.get((sender, symbol, order_id))

    def take(self, event: OrderKind, known: Family | None) -> tuple[Family, Order]:
        """The order an event is about and its family, opened when not ``known`` and joined to its parent's."""
        parent = event.parent_id
        if known is None:
            above = None if parent is None else self._of.get((_parents_sender(event), event.symbol, parent))
            # of two senders that both call an order so, the second's stands alone
            if parent is not None and above is not None and event.order_id not in above.orders:
                return above, self._adopt(event, above, parent)
            known = self._begin(event, event.order_id, sender_of(event), named_only=False)
        order = known.orders[event.order_id]
        if parent is not None and order.parent_id is None and parent != event.order_id:
            known = self._join(event, order, known, parent)
        return known, order

    def touch(self, family: Family, order: Order) -> None:
        """An order of the family has changed; when the family has finished or opened again it changes its queue."""
        since = family.since
        self._bytes.pop(since, None)
        if order.done is None and since in self._open:
            return
        family.finished = _is_finished(family)
        queue = self._queue(family)
        if since not in queue:
            self._unqueue(family)
            self._enqueue(family, queue)
        if family.finished and self._snapshots:
            self._unwritten[family.since] = family

    def _enqueue(self, family: Family, queue: Queue) -> None:
        """To the end of its queue; what falls off the front is forgotten."""
        self._clock += 1
        family.since = self._clock
        queue[self._clock] = family
        while len(queue) > queue.most:
            _, oldest = queue.popitem(last=False)
            self.forgotten += queue is self._open
            self._forget(oldest)

    def give_up(self, family: Family) -> None:
        """Forget a family: its ids name other orders now."""
        self._unqueue(family)
        self._forget(family)

    def executed_at(self, sender: str, symbol: str, exec_id: str) -> str | None:
        """The order an execution belongs to; where several report it, the first by name."""
        return min(self._execs.get((sender, symbol, exec_id), ()), default=None)

    def learn_execution(self, order: Order, exec_id: str) -> None:
        """Remember whose execution it is."""
        key = order.sender, order.symbol, exec_id
        self._execs[key] = (*self._execs.get(key, ()), order.order_id)

    def snapshot(self) -> list[bytes]:
        """Every family's bytes, oldest first; what has not changed since the last time is not encoded again."""
        self._snapshots += 1
        self._unwritten.clear()
        families = sorted(self.families(), key=lambda f: f.since)
        return [self._encoded(family) for family in families]

    def write_ahead(self) -> None:
        """Encode what has finished, so that the next snapshot does not have to: it is to hold nobody up for long."""
        unwritten, self._unwritten = self._unwritten, {}
        for family in unwritten.values():
            self._encoded(family)

    def restore(self, families: list[bytes]) -> None:
        """Put back what `snapshot` gave."""
        for data in families:
            family = decode_family(data)
            self._clock = family.since
            self._queue(family)[family.since] = family
            self._bytes[family.since] = data
            for order in family.orders.values():
                self._of[order.sender, order.symbol, order.order_id] = family
                for exec_id in (*order.fills, *order.new_ids):
                    self.learn_execution(order, exec_id)

    def families(self) -> Iterator[Family]:
        """Every family that is remembered."""
        for queue in (self._open, self._closed, self._flagged):
            yield from queue.values()

    def _begin(self, event: OrderKind, order_id: str, sender: str, *, named_only: bool) -> Family:
        """A family of one order; an event that names it says when it began and where it is from."""
        order = _order(event, order_id, sender)
        order.named_only = named_only
        family = Family(root=order_id, symbol=event.symbol, orders={order_id: order})
        self._of[sender, event.symbol, order_id] = family
        return family

    def _adopt(self, event: OrderKind, above: Family, parent_id: str) -> Order:
        """A new order under a parent that is known."""
        order = _order(event, event.order_id, sender_of(event))
        order.parent_id = parent_id
        above.orders[parent_id].children.append(event.order_id)
        above.orders[event.order_id] = order
        self._of[order.sender, event.symbol, event.order_id] = above
        return order

    def _join(self, event: OrderKind, order: Order, family: Family, parent_id: str) -> Family:
        """Put an order and its routes under its parent; a loop of parents is not followed."""
        sender = _parents_sender(event)
        above = self._of.get((sender, event.symbol, parent_id))
        if above is family or (above is not None and not above.orders.keys().isdisjoint(family.orders)):
            return family
        if above is None:
            above = self._begin(event, parent_id, sender, named_only=True)
        order.parent_id = parent_id
        above.orders[parent_id].children.append(order.order_id)
        self._unqueue(family)
        above.orders.update(family.orders)
        above.told.update(family.told)
        above.deadlines.update(family.deadlines)
        family.deadlines.clear()
        for each in family.orders.values():
            self._of[each.sender, each.symbol, each.order_id] = above
        credit(above, order, NOTHING)
        return above

    def _queue(self, family: Family) -> Queue:
        if not family.finished:
            return self._open
        return self._flagged if family.told else self._closed

    def _unqueue(self, family: Family) -> None:
        if family.since == NEVER_QUEUED:
            return
        self._drop_bytes(family)
        for queue in (self._open, self._closed, self._flagged):
            if queue.pop(family.since, None) is not None:
                return

    def _forget(self, family: Family) -> None:
        """No name leads to the family any more, and none of its deadlines will expire."""
        self._drop_bytes(family)
        family.deadlines.clear()
        for order in family.orders.values():
            self._of.pop((order.sender, order.symbol, order.order_id), None)
            for exec_id in (*order.fills, *order.new_ids):
                self._unlearn_execution(order, exec_id)
        family.orders.clear()

    def _unlearn_execution(self, order: Order, exec_id: str) -> None:
        key, order_id = (order.sender, order.symbol, exec_id), order.order_id
        owners = self._execs.pop(key, ())
        if owners != (order_id,) and (others := tuple(owner for owner in owners if owner != order_id)):
            self._execs[key] = others

    def _drop_bytes(self, family: Family) -> None:
        self._bytes.pop(family.since, None)
        self._unwritten.pop(family.since, None)

    def _encoded(self, family: Family) -> bytes:
        data = self._bytes.get(family.since)
        if data is None:
            data = self._bytes[family.since] = _encoder.encode(family)
        return data


def _is_finished(family: Family) -> bool:
    for order in family.orders.values():  # noqa: SIM110 - a generator here costs as much as all else in `touch`
        if order.done is None and not order.named_only:
            return False
    return True


def _order(event: OrderKind, order_id: str, sender: str) -> Order:
    return Order(
        order_id=order_id,
        symbol=event.symbol,
        session=event.session,
        sender=sender,
        since=event.at,
        source=event.source,
    )


def _parents_sender(event: OrderKind) -> str:
    return sender_of(event) if event.parent_sender is None else event.parent_sender


def credit(family: Family, order: Order, before: Decimal) -> None:
    """Carry a change of what an order has executed up to its parents; ``before`` is what it had executed."""
    change = executed(order) - before
    parent = family.parent(order)
    while change != NOTHING and parent is not None:
        had = executed(parent)
        parent.filled_below += change
        change = executed(parent) - had
        parent = family.parent(parent)
