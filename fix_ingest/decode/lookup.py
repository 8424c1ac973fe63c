"""A dialect made ready for use: the standard's tables with the dialect's differences, patterns compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_letters, ascii_uppercase

from fix_ingest.decode.dialect import Dialect, Ladder, Meaning, MessageMeaning

EXEC_TYPES: dict[str, Meaning] = {
    "0": "ack", "1": "fill", "2": "fill", "3": "done_for_day", "4": "cancel", "5": "replace", "6": "status",
    "7": "status", "8": "reject", "9": "status", "A": "status", "B": "status", "C": "expire", "D": "restate",
    "E": "status", "F": "fill", "G": "correct", "H": "bust", "I": "status", "J": "status", "K": "status",
    "L": "status",
}  # fmt: skip
"""ExecType(150) of FIX 4.1 to 5.0 SP2 in one table: hybrids are common, so BeginString decides nothing."""

TRANS_TYPES: dict[str, Meaning] = {"1": "bust", "2": "correct", "3": "status"}
"""ExecTransType(20); 0 (new) leaves it to ExecType."""

STATUSES: dict[str, Meaning] = {
    "0": "ack", "1": "fill", "2": "fill", "3": "done_for_day", "4": "cancel", "5": "replace", "6": "status",
    "7": "status", "8": "reject", "9": "status", "A": "status", "B": "status", "C": "expire", "D": "status",
    "E": "status",
}  # fmt: skip
"""OrdStatus(39), asked only when a report has no ExecType, as in FIX 4.0."""

MESSAGES: dict[str, MessageMeaning] = {
    "8": "execution", "D": "order", "G": "replace_request", "F": "cancel_request", "9": "cancel_reject",
    "j": "business_reject", "3": "session_reject", "A": "logon", "5": "logout", "4": "sequence_reset",
}  # fmt: skip

_TWO_LETTERS = [a + b for a in "ABC" for b in ascii_uppercase] + [f"D{b}" for b in "ABCDEF"]
OTHERS = frozenset([*"01267", *(set(ascii_letters) - {*"ADFGIOUj"}), *_TWO_LETTERS])
"""Message types of the standard that say nothing about the life of an order here: counted, not told."""

WORDS = {
    "6": "pending cancel", "7": "stopped", "9": "suspended", "A": "pending new", "B": "calculated",
    "E": "pending replace", "I": "order status", "J": "trade in a clearing hold", "K": "trade released to clearing",
    "L": "triggered or activated", "3": "done for day",
}  # fmt: skip
"""ExecType or OrdStatus in words."""


class DialectLookup:
    """What the decoder asks of a dialect, for one session."""

    def __init__(self, dialect: Dialect, session: str) -> None:
        self.dialect = dialect
        self.tags = dialect.tags
        self.clock = dialect.clock or session
        self.vendor = dialect.vendor
        self.sender = dialect.counterparty or session
        """Whose ids its messages carry."""
        elsewhere = dialect.parents_session
        self.parents_sender = self.sender if elsewhere is None else elsewhere
        self.future_ns = round(dialect.future_seconds * 1e9)
        self.exec_types = EXEC_TYPES | dialect.exec_types
        self.trans_types = TRANS_TYPES | dialect.trans_types
        self.statuses = STATUSES | dialect.statuses
        self.messages = MESSAGES | dialect.messages
        self.auction = tuple(tuple(mark.split("=", 1)) for mark in dialect.auction)
        self._rungs = [(r.name, r.tag, None if r.pattern is None else re.compile(r.pattern)) for r in dialect.parent]

    def parent(self, top: Mapping[str, str], client: str | None) -> tuple[str | None, str | None]:
        """The parent a message names and the rung that matched; an order is never its own parent."""
        for name, tag, pattern in self._rungs:
            value = top.get(tag)
            if value and pattern is not None:
                found = pattern.search(value)
                value = None if found is None else found[1]
            if value and value != client:
                return value, name
        return None, None

    def symbol(self, top: Mapping[str, str]) -> str | None:
        """Symbol with its suffix, as sorwatch writes it."""
        symbol = top.get("55", "").strip()
        if not symbol:
            return None
        habits = self.dialect.symbols
        for separator in habits.separators:
            symbol = symbol.replace(separator, habits.join)
        suffix = top.get(habits.suffix, "").strip()
        ending = f"{habits.join}{suffix}" if suffix else ""
        return symbol if symbol.endswith(ending) and symbol != ending else f"{symbol}{ending}"


def first(top: Mapping[str, str], ladder: Ladder) -> str | None:
    """Value of the first tag of the ladder that is present and not empty."""
    for tag in ladder:
        if value := top.get(tag):
            return value
    return None
