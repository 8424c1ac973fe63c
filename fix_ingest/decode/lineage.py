"""Who belongs to whom: replaced ids → the first id of the chain, and a route → its parent.

What is remembered is bounded by what is open: an order that is over is kept among the last few thousand of its session,
for late busts and corrections, and then forgotten. The state must survive a restart of whoever reads the journal from
a saved position: `snapshot` and `restore` carry it, beside the position it belongs to.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from monitor.wire.events import Side

CLOSED_KEPT = 10_000
"""Finished orders remembered by session."""
OPEN_KEPT = 200_000
"""Orders remembered by session in all; beyond it the oldest are forgotten."""

_BROKER = "\x01"
"""Before an OrderID(37) among the names: no ClOrdID can hold a field separator."""


class Known(Struct, forbid_unknown_fields=True, array_like=True, gc=False):
    """What is remembered of one order."""

    symbol: str
    side: Side | None = None
    parent: str | None = None
    link: str | None = None
    told: bool = False
    """Its own NewOrderSingle was seen: whether it has a parent is settled."""
    ids: list[str] = field(default_factory=list)
    """Other names of it."""


class Chains(Struct, forbid_unknown_fields=True, array_like=True):
    """The orders of one session."""

    orders: dict[str, Known] = field(default_factory=dict)
    """First id of the chain → the order."""
    roots: dict[str, str] = field(default_factory=dict)
    """Any other name → first id of the chain."""
    closed: dict[str, None] = field(default_factory=dict)
    """Orders that are over, oldest first."""
    forgotten: int = 0
    """Open orders forgotten because there were too many."""

    def root(self, client: str | None, original: str | None, broker: str | None) -> str | None:
        """First id of the chain of the order that goes by these names; None when it has no name at all."""
        if client is None:
            named = None if broker is None else self.roots.get(_BROKER + broker)
            return named or (broker if original is None else self.roots.get(original, original))
        if original is None or original == client or self._first_of_its_own(client):
            return self.roots.get(client, client)
        return self.roots.get(original, original)

    def begin(self, client: str, known: Known) -> None:
        """A NewOrderSingle: the id is the first of a chain, whatever it meant before."""
        self.roots.pop(client, None)
        self.closed.pop(client, None)
        if (before := self.orders.get(client)) is not None:
            known.ids = before.ids
        self._add(client, known)

    def seen(self, root: str, known: Known, client: str | None, broker: str | None) -> Known:
        """A message about an order: what is known of it, completed by what the message says."""
        before = self.orders.get(root)
        if before is None:
            before = known
            self._add(root, known)
        elif before.side is None:
            before.side = known.side
        if before.parent is None and not before.told:
            before.parent, before.link = known.parent, known.link
        if client is not None and client != root:
            self._name(root, before, client)
        if broker is not None:
            self._name(root, before, _BROKER + broker)
        return before

    def close(self, root: str, kept: int = CLOSED_KEPT) -> None:
        """The order is over."""
        self.closed[root] = None
        while len(self.closed) > kept:
            self._forget(next(iter(self.closed)))

    def _add(self, root: str, known: Known) -> None:
        self.orders[root] = known
        if len(self.orders) > OPEN_KEPT:
            self.forgotten += 1
            self._forget(next(iter(self.orders)))

    def _first_of_its_own(self, client: str) -> bool:
        known = self.orders.get(client)
        return known is not None and known.told

    def _name(self, root: str, known: Known, name: str) -> None:
        if self.roots.get(name) != root:
            self.roots[name] = root
            known.ids.append(name)

    def _forget(self, root: str) -> None:
        self.closed.pop(root, None)
        known = self.orders.pop(root, None)
        for name in known.ids if known is not None else ():
            if self.roots.get(name) == root:
                del self.roots[name]


class Lineage:
    """The chains of every sender."""

    def __init__(self) -> None:
        self._senders: dict[str, Chains] = {}

    def of(self, sender: str) -> Chains:
        """The chains of a sender: a primary session and its backup share them."""
        chains = self._senders.get(sender)
        if chains is None:
            chains = self._senders[sender] = Chains()
        return chains

    @property
    def forgotten(self) -> int:
        """Open orders forgotten because there were too many: their later reports may lack parent and first id."""
        return sum(chains.forgotten for chains in self._senders.values())

    def snapshot(self) -> bytes:
        """Everything remembered, as MessagePack."""
        return msgspec.msgpack.encode(self._senders)

    def restore(self, data: bytes) -> None:
        """Take over a snapshot; raises ``msgspec.DecodeError`` when it is none."""
        self._senders = msgspec.msgpack.decode(data, type=dict[str, Chains])
