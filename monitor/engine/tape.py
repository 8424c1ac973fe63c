"""The tape: events as people write them, one a line, for the examples of rules, golden tests and questions by mail.

    09:30:00.000     quote IBM 100.00x100.02 300x500
    09:30:00.010     received id=A side=buy qty=100 type=market
    +2ms             routed id=A1 parent=A venue=ARCX
    +15ms            acked id=A1
    +5ms             filled id=A1 exec=E1 qty=100 price=100.03 venue=ARCX
    09:30:05         tick

A line is ``time kind field=value …``; what follows ``#`` is a comment. The time is of a fixed day (`DAY`, UTC), or
``+`` an amount (ns, us, ms, s, m) after the line before. Prices are decimals, ``-`` is an absent side of a quote.
Kinds and fields are those of `monitor.wire.events`, with short names for the frequent ones (`SHORT`). What is not said:
an order keeps the symbol and side it was first given; the first symbol is that of the last quote; ``venue`` is also
what was sent; each line is seen when it happens; its number is that of the line.

``tick`` says that nothing happened up to then: silence is judged only as far as the tape goes. ``end`` says that no
more will come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.joined import Output
from monitor.engine.policy import Policy
from monitor.engine.rule import Rule
from monitor.wire.blocks import ABSENT, Block, Column
from monitor.wire.events import Finding, ReportLine, Tick

DAY = 1_780_272_000 * 1_000_000_000
"""Midnight UTC of 1 June 2026, the day of every tape."""
SOURCE, QUOTES, SESSION = "tape", "tape-quotes", "tape"
"""Names of the journal, the quotes' source and the session, where a line names no other."""
SHORT = {
    "id": "order_id",
    "parent": "parent_id",
    "exec": "exec_id",
    "ref": "ref_exec_id",
    "type": "ord_type",
    "limit": "price",
    "sent": "venue_sent",
}

_NANO = Decimal(1_000_000_000)
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_LATER = re.compile(r"\+(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m)")
_ORDERLESS = {"tick", "ended", "session_up", "session_down", "gap", "gap_filled", "reset", "garbled"}


class TapeMistake(ValueError):
    """A line that cannot be read: says which and why."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(f"line {line}: {what}")


class QuoteLine(Struct, frozen=True, kw_only=True):
    """One quote of a tape."""

    at: int
    symbol: str
    bid: int
    ask: int
    bid_size: int = ABSENT
    ask_size: int = ABSENT

    def block(self, n: int, source: str = QUOTES) -> Block:
        """The quote as a block of one row."""
        return Block(
            source=source,
            n=n,
            symbols=(self.symbol,),
            time=_column(self.at),
            symbol=np.zeros(1, np.int32),
            bid=_column(self.bid),
            ask=_column(self.ask),
            bid_size=_column(self.bid_size),
            ask_size=_column(self.ask_size),
        )


class Tape(Struct, kw_only=True):
    """What a text says, in the order of its lines."""

    reports: list[ReportLine]
    quotes: list[QuoteLine]
    until: int
    """How far the tape goes."""
    ended: bool = False


def read(text: str) -> Tape:
    """Read a tape; raises `TapeMistake` at the first line that cannot be read."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            reader.line(number, words)
    reports, quotes = reader.reports, reader.quotes
    return Tape(reports=reports, quotes=quotes, until=reader.until, ended=reader.ended)


def run_tape(text: str, rules: Sequence[Rule], policy: Policy, config: EngineConfig | None = None) -> Output:
    """Everything that judging a tape leads to, in order; raises `TapeMistake`."""
    tape = read(text)
    engine = Engine(policy, rules, config or EngineConfig())
    feed(tape, engine)
    return engine.drain() if tape.ended else engine.advance()


def feed(tape: Tape, engine: Engine) -> None:
    """Tell an engine all of a tape, and that it goes as far as it goes."""
    for n, quote in enumerate(tape.quotes):
        engine.block(quote.block(n), n)
    for event in tape.reports:
        engine.report(event)
    heard = tape.until if tape.ended else tape.until + engine.hold_ns
    engine.block(Block(source=QUOTES, n=len(tape.quotes), through=heard), len(tape.quotes))
    for source in sorted({event.source for event in tape.reports} | {SOURCE}):
        engine.report(Tick(source=source, n=0, at=heard, seen=heard))


def standing(findings: Sequence[Finding]) -> list[Finding]:
    """The latest of each finding, without those withdrawn, in the order in which they were first told."""
    latest = {finding.id: finding for finding in findings}
    return [finding for finding in latest.values() if finding.state != "withdrawn"]


class _Reader:
    def __init__(self) -> None:
        self.reports: list[ReportLine] = []
        self.quotes: list[QuoteLine] = []
        self.until = DAY
        self.ended = False
        self._last = DAY
        self._symbol: str | None = None
        self._orders: dict[str, dict[str, Any]] = {}

    def line(self, number: int, words: list[str]) -> None:
        if len(words) < 2:
            raise TapeMistake(number, "a line is `time kind field=value …`")
        self._last = at = _time(number, words[0], self._last)
        self.until = max(self.until, at)
        kind, rest = words[1], words[2:]
        if kind == "quote":
            self.quotes.append(self._quote(number, at, rest))
        elif kind == "end":
            self.ended = True
        elif kind != "tick":
            self.reports.append(self._event(number, at, kind, rest))

    def _quote(self, number: int, at: int, words: list[str]) -> QuoteLine:
        if len(words) not in (2, 3):
            raise TapeMistake(number, "a quote is `time quote SYMBOL BIDxASK [SIZExSIZE]`")
        bid, ask = _pair(number, words[1])
        bid_size, ask_size = _pair(number, words[2]) if len(words) == 3 else (None, None)
        self._symbol = words[0]
        return QuoteLine(
            at=at,
            symbol=words[0],
            bid=ABSENT if bid is None else int(bid * _NANO),
            ask=ABSENT if ask is None else int(ask * _NANO),
            bid_size=ABSENT if bid_size is None else int(bid_size),
            ask_size=ABSENT if ask_size is None else int(ask_size),
        )

    def _event(self, number: int, at: int, kind: str, words: list[str]) -> ReportLine:
        given: dict[str, Any] = dict(_fields(number, kind, words))
        if "venue" in given:
            given.setdefault("venue_sent", given["venue"])
        if kind not in _ORDERLESS:
            given = self._remembered(number, given)
        record = {"kind": kind, "source": SOURCE, "n": number, "at": at, "seen": at, "session": SESSION} | given
        try:
            event: ReportLine = msgspec.convert(record, ReportLine, strict=False)
        except msgspec.ValidationError as error:
            raise TapeMistake(number, str(error)) from None
        return event

    def _remembered(self, number: int, given: dict[str, Any]) -> dict[str, Any]:
        """What is known of the order already, or of its parent, where the line does not say."""
        order_id = given.get("order_id")
        if order_id is None:
            raise TapeMistake(number, "which order? say id=…")
        parent = self._orders.get(given.get("parent_id", ""), {})
        known = self._orders.setdefault(order_id, dict(parent))
        for name in ("symbol", "side"):
            if name in given:
                known[name] = given[name]
        known.setdefault("symbol", self._symbol or "XYZ")
        return known | given


def _column(value: int) -> Column:
    return np.array([value], np.int64)


def _fields(number: int, kind: str, words: list[str]) -> Iterator[tuple[str, Any]]:
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise TapeMistake(number, f"{word!r} is not field=value")
        name = SHORT.get(name, name)
        if name == "price":
            yield name, int(_decimal(number, value) * _NANO)
        elif name in ("qty", "leaves", "cum"):
            yield name, _decimal(number, value)
        elif name in ("text", "reason"):
            yield name, value.replace("_", " ")
        else:
            yield name, value


def _time(number: int, word: str, last: int) -> int:
    if found := _CLOCK.fullmatch(word):
        hours, minutes, seconds, fraction = found.groups()
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return DAY + whole * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
    if found := _LATER.fullmatch(word):
        return last + int(Decimal(found[1]) * _UNITS[found[2]])
    raise TapeMistake(number, f"{word!r} is neither a time such as 09:30:00.000123 nor an amount such as +20ms")


def _pair(number: int, word: str) -> tuple[Decimal | None, Decimal | None]:
    left, x, right = word.partition("x")
    if not x:
        raise TapeMistake(number, f"{word!r} is not two numbers with an x between them")
    return _side(number, left), _side(number, right)


def _side(number: int, word: str) -> Decimal | None:
    return None if word == "-" else _decimal(number, word)


def _decimal(number: int, word: str) -> Decimal:
    try:
        return Decimal(word)
    except InvalidOperation:
        raise TapeMistake(number, f"{word!r} is not a number") from None
