"""What every message about an order has in common: when, whose, which order, its parent, where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from fix_ingest.decode.dialect import Ladder
from fix_ingest.decode.field_values import price, quantity, time_ns, whole
from fix_ingest.decode.lineage import Chains, Known
from fix_ingest.decode.lookup import DialectLookup, first
from fix_ingest.decode.message import Message, shown
from fix_ingest.journal.record import Record
from monitor.venues.table import Venues
from monitor.wire.events import Side

T = TypeVar("T")

RAW_CHARACTERS = 65_536
"""A message is carried in its event up to this length; the journal has all of it."""

SENDING_TIME = "52"

SIDES: dict[str, Side] = {
    "1": "buy", "2": "sell", "3": "buy", "4": "sell", "5": "sell_short", "6": "sell_short_exempt",
}  # fmt: skip
"""Side(54); 3 and 4 are buy minus and sell plus. All others (undisclosed, cross) say no side."""

ORD_TYPES = {"1": "market", "2": "limit", "3": "stop", "4": "stop_limit", "P": "pegged"}
TIFS = {"0": "day", "1": "gtc", "2": "opg", "3": "ioc", "4": "fok", "6": "gtd", "7": "cls"}


class Unusable(Exception):
    """A message about an order that cannot be used, and why; caught by the decoder, never seen outside."""


class DecodeContext:
    """One message on its way to an event."""

    def __init__(
        self,
        message: Message,
        record: Record,
        source: str,
        habits: DialectLookup,
        chains: Chains,
        parents: Chains,
        venues: Venues,
        counts: Counter[str],
        live: bool,
    ) -> None:
        self.message = message
        self.top = message.top
        self.record = record
        self.source = source
        self.habits = habits
        self.chains = chains
        self.parents = parents
        self.venues = venues
        self.counts = counts
        self.live = live
        self.client = first(self.top, habits.tags.order)

    def at(self, ladder: Ladder) -> int:
        """When it happened; raises `Unusable` when no time is given, or one that is none or lies in the future."""
        for tag in ladder:
            text = self._first_sent() or self.top.get(tag) if tag == SENDING_TIME else self.top.get(tag)
            if not text:
                continue
            at = time_ns(text)
            if at is None:
                raise Unusable(f"time in {tag} is not a UTC timestamp: {text[:40]!r}")
            if self.live and at > self.record.seen + self.habits.future_ns:
                raise Unusable(f"time in {tag} is further ahead of arrival than can be believed: {text[:40]!r}")
            return at
        raise Unusable(f"no time: {' and '.join(ladder)} are missing")

    def _first_sent(self) -> str | None:
        """OrigSendingTime(122) of a message sent again: SendingTime then only says when that was."""
        return self.top.get("122") if self.top.get("43") == "Y" else None

    def about(self, venue: Ladder) -> dict[str, Any]:
        """The fields every report carries, for a message about an order that may be known; raises `Unusable`."""
        at = self.at(self.habits.tags.time)
        broker = first(self.top, self.habits.tags.broker)
        original = first(self.top, self.habits.tags.original)
        root = self.chains.root(self.client, original, broker)
        if root is None:
            raise Unusable("names no order: ClOrdID, OrigClOrdID and OrderID are missing")
        symbol = self.habits.symbol(self.top)
        known = self._known(root, broker, symbol)
        return self._fields(at, root, known, symbol or known.symbol, broker, venue)

    def new(self, venue: Ladder) -> tuple[dict[str, Any], Known]:
        """The same for a NewOrderSingle, which begins a chain; raises `Unusable`."""
        at = self.at(self.habits.tags.order_time)
        symbol = self.habits.symbol(self.top)
        if self.client is None:
            raise Unusable(f"ClOrdID({self.habits.tags.order[0]}) is missing")
        if symbol is None:
            raise Unusable("Symbol(55) is missing")
        parent, link = self._parent()
        known = Known(symbol, SIDES.get(self.top.get("54", "")), parent, link, True)
        self.chains.begin(self.client, known)
        broker = first(self.top, self.habits.tags.broker)
        return self._fields(at, self.client, known, symbol, broker, venue), known

    def terms(self) -> dict[str, Any]:
        """Terms of an order, each None where the message does not state it."""
        top = self.top
        kind, tif = top.get("40"), top.get("59")
        return {
            "qty": self.shares("38"),
            "ord_type": ORD_TYPES.get(kind, "other") if kind else None,
            "price": self.optional("44", price),
            "tif": TIFS.get(tif, "other") if tif else None,
            "capacity": first(top, self.habits.tags.capacity),
        }

    def shares(self, tag: str) -> Any:
        """A quantity that may be absent; one that is unreadable or negative counts as absent, and is counted."""
        value = self.optional(tag, quantity)
        if value is not None and value < 0:
            self.counts["unreadable_fields"] += 1
            return None
        return value

    def optional(self, tag: str, reader: Callable[[str], T | None]) -> T | None:
        """A value that may be absent; one that is unreadable counts as absent, and is counted."""
        text = self.top.get(tag)
        if not text:
            return None
        value = reader(text)
        if value is None:
            self.counts["unreadable_fields"] += 1
        return value

    def _known(self, root: str, broker: str | None, symbol: str | None) -> Known:
        known = self.chains.orders.get(root)
        if known is not None and (known.told or known.parent is not None):
            return self.chains.seen(root, known, self.client, broker)
        if symbol is None and known is not None:
            symbol = known.symbol
        if not symbol:
            raise Unusable("Symbol(55) is missing, and the order is not known")
        parent, link = self._parent()
        if parent == root:
            parent = link = None
        named = Known(symbol, SIDES.get(self.top.get("54", "")), parent, link)
        return self.chains.seen(root, named, self.client, broker)

    def _parent(self) -> tuple[str | None, str | None]:
        """The parent by the first id of its own chain, and the rung that named it."""
        parent, link = self.habits.parent(self.top, self.client)
        return (None if parent is None else self.parents.roots.get(parent, parent)), link

    def _fields(
        self, at: int, root: str, known: Known, symbol: str, broker: str | None, ladder: Ladder
    ) -> dict[str, Any]:
        top, record, habits = self.top, self.record, self.habits
        sent = first(top, ladder)
        return {
            "source": self.source,
            "n": record.n,
            "at": at,
            "clock": habits.clock,
            "seen": record.seen,
            "session": record.session,
            "seq": whole(top.get("34", "")),
            "symbol": symbol,
            "order_id": root,
            "sender": None if habits.sender == record.session else habits.sender,
            "parent_id": known.parent,
            "parent_sender": None if habits.parents_sender == habits.sender else habits.parents_sender,
            "link": known.link,
            "broker_id": broker,
            "exec_id": first(top, habits.tags.execution),
            "side": SIDES.get(top.get("54", "")) or known.side,
            "venue": self._mic(sent, at),
            "venue_sent": sent,
            "vendor": habits.vendor,
            "text": top.get("58") or None,
            "raw": shown(self.message.text[:RAW_CHARACTERS]),
        }

    def _mic(self, sent: str | None, at: int) -> str | None:
        if sent is None:
            return None
        return self.venues.resolve(self.habits.dialect.venues.get(sent, sent), at).mic
