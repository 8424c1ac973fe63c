"""Journal records → events. Whatever the bytes are, the answer is events, and what cannot be used is `Garbled`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, get_args

from fix_ingest.decode import execution_reports, order_messages
from fix_ingest.decode.context import DecodeContext, Unusable
from fix_ingest.decode.dialect import Dialect, MessageMeaning
from fix_ingest.decode.lineage import Lineage
from fix_ingest.decode.lookup import OTHERS, DialectLookup
from fix_ingest.decode.message import Broken, Message, parse, shown, text_of
from fix_ingest.journal.record import Record
from monitor.venues.table import Venues
from monitor.wire.events import (
    NAME_MOST,
    Gap,
    GapFilled,
    Garbled,
    OrderKind,
    ReportLine,
    Reset,
    SessionDown,
    SessionUp,
)

RAW_KEPT = 8_192
"""Characters of garbled bytes that are kept in the event; the journal has all of them."""

_SECRET = re.compile(r"(?<![0-9])(554|925|1402|1404)=[^\x01|]*")
"""Password fields of a logon, never shown."""

_ORDERS: dict[MessageMeaning, Callable[[DecodeContext], OrderKind]] = {
    "execution": execution_reports.report,
    "bust": execution_reports.busted,
    "correct": execution_reports.corrected,
    "order": order_messages.order,
    "replace_request": order_messages.replace_request,
    "cancel_request": order_messages.cancel_request,
    "cancel_reject": order_messages.cancel_reject,
    "business_reject": order_messages.business_reject,
    "session_reject": order_messages.session_reject,
}


class Decoder:
    """Decodes the records of one journal in their order.

    It remembers replaced ids and parents (`fix_ingest.decode.lineage`): whoever goes on from a saved position must save
    `snapshot` beside it and `restore` it.
    """

    def __init__(
        self,
        source: str,
        dialects: Mapping[str, Dialect],
        venues: Venues,
        *,
        otherwise: Dialect | None = None,
        live: bool = True,
    ) -> None:
        """``dialects`` by session, ``otherwise`` for sessions not named there.

        ``live`` demands intact framing and times that are not in the future; logs are read without.
        """
        self.source = source
        self.counts: Counter[str] = Counter()
        """messages, events, garbled, ignored, unreadable_fields, odd_fields, made_up_exec_ids, possible_duplicates."""
        self._dialects = dialects
        self._otherwise = otherwise or Dialect()
        self._venues = venues
        self._live = live
        self._habits: dict[str, DialectLookup] = {}
        self._lineage = Lineage()

    def decode(self, record: Record) -> list[ReportLine]:
        """The events of one record, in order; never raises."""
        events = self._message(record) if record.kind == "message" else [self._note(record)]
        self.counts["events"] += len(events)
        return events

    @property
    def forgotten(self) -> int:
        """Open orders whose lineage had to be forgotten: there were more than can be remembered."""
        return self._lineage.forgotten

    def snapshot(self) -> bytes:
        """What must be kept beside the position of the next record."""
        return self._lineage.snapshot()

    def restore(self, data: bytes) -> None:
        """Go on from a `snapshot`; raises ``msgspec.DecodeError`` when it is none."""
        self._lineage.restore(data)

    def _message(self, record: Record) -> list[ReportLine]:
        self.counts["messages"] += 1
        message = parse(record.body, self._live)
        if isinstance(message, Broken):
            return [self._garbled(record, message.reason)]
        if message.odd:
            self.counts["odd_fields"] += len(message.odd)
        if message.top.get("43") == "Y" or message.top.get("97") == "Y":
            self.counts["possible_duplicates"] += 1
        habits = self._of(record.session)
        kind = message.top.get("35", "").strip()
        meaning = habits.messages.get(kind)
        if meaning in _ORDERS:
            return [self._order(record, message, habits, meaning)]
        if meaning is None and kind not in OTHERS:
            return [self._garbled(record, f"MsgType(35)={kind[:20]!r} is not known to this dialect")]
        self.counts["ignored"] += 1
        return self._session(record, message, meaning)

    def _order(self, record: Record, message: Message, habits: DialectLookup, meaning: MessageMeaning) -> ReportLine:
        chains, parents = self._lineage.of(habits.sender), self._lineage.of(habits.parents_sender)
        case = DecodeContext(
            message, record, self.source, habits, chains, parents, self._venues, self.counts, self._live
        )
        try:
            event = _ORDERS[meaning](case)
        except Unusable as unusable:
            return self._garbled(record, str(unusable))
        return event if (fault := _too_long(event)) is None else self._garbled(record, fault)

    def _session(self, record: Record, message: Message, meaning: MessageMeaning | None) -> list[ReportLine]:
        """Logon, logout and sequence reset, which a log tells by messages; everything else tells nothing."""
        said = message.top.get("58") or None
        if meaning == "logon":
            return [SessionUp(**self._base(record), text=said)]
        if meaning == "logout":
            return [SessionDown(**self._base(record), text=said)]
        if meaning == "sequence_reset" and message.top.get("123") != "Y":
            return [Reset(**self._base(record), text=f"new sequence number {message.top.get('36', '?')}")]
        return []

    def _note(self, record: Record) -> ReportLine:
        """What befell a session, or bytes the session layer would not take."""
        text = text_of(record.body) or None
        if record.kind == "up":
            return SessionUp(**self._base(record), text=text)
        if record.kind == "down":
            return SessionDown(**self._base(record), text=text)
        if record.kind == "reset":
            return Reset(**self._base(record), text=text)
        if record.kind == "refused":
            fault = parse(record.body)
            return self._garbled(record, fault.reason if isinstance(fault, Broken) else "refused by the session layer")
        return self._gap(record, text or "")

    def _gap(self, record: Record, text: str) -> ReportLine:
        found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", text)
        if found is None:
            return self._garbled(record, f"a {record.kind} record must hold first-last")
        first, last = int(found[1]), int(found[2])
        if record.kind == "gap":
            return Gap(**self._base(record), first=first, last=last)
        return GapFilled(**self._base(record), first=first, last=last)

    def _garbled(self, record: Record, reason: str) -> Garbled:
        self.counts["garbled"] += 1
        raw = _SECRET.sub(r"\1=***", text_of(record.body[: 2 * RAW_KEPT]))[:RAW_KEPT]
        return Garbled(**self._base(record), reason=reason, raw=shown(raw))

    def _base(self, record: Record) -> dict[str, Any]:
        return {
            "source": self.source,
            "n": record.n,
            "at": record.seen,
            "seen": record.seen,
            "session": record.session,
        }

    def _of(self, session: str) -> DialectLookup:
        habits = self._habits.get(session)
        if habits is None:
            habits = self._habits[session] = DialectLookup(self._dialects.get(session, self._otherwise), session)
        return habits


_NAMES = (
    *("order_id", "parent_id", "broker_id", "exec_id", "ref_exec_id", "new_id", "symbol", "venue_sent"),
    *("capacity", "liquidity"),
)
_names_of = {
    kind: attrgetter(*(name for name in _NAMES if name in kind.__struct_fields__)) for kind in get_args(OrderKind)
}


def _too_long(event: OrderKind) -> str | None:
    """Which id or code is longer than any may be: no counterparty means it, and it would travel with every finding."""
    if max(map(len, filter(None, _names_of[type(event)](event)))) <= NAME_MOST:
        return None
    long = {name: len(value) for name in _NAMES if (value := getattr(event, name, None)) and len(value) > NAME_MOST}
    return "; ".join(f"{name} of {length} characters: at most {NAME_MOST}" for name, length in long.items())
