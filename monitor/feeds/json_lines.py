"""A firm's own feed as lines of JSON (``jsonl:``): one quote, tick or end a line.

``{"time": 1381152600000000000, "symbol": "IBM", "bid": 183.63, "ask": "183.65", "bid_size": 300, "ask_size": 200}``
is the whole NBBO of a symbol; ``time`` is ns UTC or ISO 8601 text and may be absent (then it is when the line came),
prices and sizes are numbers or text and read exactly, a side that is absent, null, zero or less is no side.
``{"tick": 1381152600000000000}``: you have everything of mine up to then. ``{"end": true}``: no more will come.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import numpy as np
from msgspec import Struct

from monitor.feeds.files.exact_values import scaled, time_of
from monitor.feeds.files.time_units import doubted
from monitor.feeds.quote_table import Names, Table, empty
from monitor.wire.blocks import ABSENT
from monitor.wire.events import LATEST

LONGEST = 1 << 16
"""A line of more bytes is none of ours."""
AHEAD_NS = 60 * 10**9
"""A time further ahead of the time of day is not believed: to promise it would let all be judged too early."""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line as it is written."""

    time: int | str | None = None
    symbol: str | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    tick: int | str | None = None
    end: bool = False


class Quote(Struct, frozen=True, gc=False):
    """A quote as integers; `ABSENT` where a side or size is not given."""

    time: int
    symbol: str
    bid: int
    ask: int
    bid_size: int
    ask_size: int
    stamped: bool
    """Whether the feed gave the time."""


class FeedTick(Struct, frozen=True):
    """The feed's own promise."""

    at: int


class FeedEnd(Struct, frozen=True):
    """The feed has nothing more to say."""


Heard = Quote | FeedTick | FeedEnd

_decoder = msgspec.json.Decoder(Line)


NOT_JSON, NOT_A_QUOTE, TOO_LONG = "not JSON", "not a quote", "too long"


class Garbled(ValueError):
    """A line that cannot be understood: one of a few reasons, and what exactly is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")


def heard(line: bytes, received: int) -> Heard:
    """Understand a line that came at ``received`` (ns UTC); raises `Garbled`."""
    if len(line) > LONGEST:
        raise Garbled(TOO_LONG, f"more than {LONGEST} bytes")
    try:
        return _meant(_decoder.decode(line), received)
    except msgspec.ValidationError as error:
        raise Garbled(NOT_A_QUOTE, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Garbled(NOT_JSON, str(error)) from None
    except ValueError as error:
        raise Garbled(NOT_A_QUOTE, str(error)) from None


def believable(said: Heard, now: int) -> Heard:
    """The same; raises `Garbled` when it tells of a time that has not come, or that was not counted in ns."""
    at = said.time if isinstance(said, Quote) else said.at if isinstance(said, FeedTick) else now
    if (unit := doubted(at)) is not None:
        raise Garbled(NOT_A_QUOTE, f"{at} would be a day of 1970: times are ns UTC, and it looks like {unit}")
    if at > now + AHEAD_NS:
        raise Garbled(NOT_A_QUOTE, f"{at} is more than a minute ahead of the time of day")
    return said


def _meant(said: Line, received: int) -> Heard:
    if said.end:
        return FeedEnd()
    if said.tick is not None:
        return FeedTick(_nanos(said.tick))
    symbol = "" if said.symbol is None else said.symbol.strip()
    if symbol == "":
        raise ValueError("no symbol")
    bid, ask = _price(said.bid), _price(said.ask)
    return Quote(
        received if said.time is None else _nanos(said.time),
        symbol,
        bid,
        ask,
        ABSENT if bid == ABSENT else _size(said.bid_size),
        ABSENT if ask == ABSENT else _size(said.ask_size),
        said.time is not None,
    )


def table_of(quotes: list[Quote], names: Names) -> Table:
    """Quotes in the order they came, as columns with the numbers of ``names``."""
    if not quotes:
        return empty()
    places = {symbol: i for i, symbol in enumerate(dict.fromkeys(q.symbol for q in quotes))}
    columns = np.array([(q.time, q.bid, q.ask, q.bid_size, q.ask_size) for q in quotes], np.int64).T
    symbol = np.fromiter((places[q.symbol] for q in quotes), np.int32, len(quotes))
    time, bid, ask, bid_size, ask_size = columns
    table = Table(
        symbols=tuple(places), time=time, symbol=symbol, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size
    )
    return names.number(table)


def whole_lines(held: bytearray, more: bytes) -> Iterator[bytes]:
    """Add bytes to what is held and give the lines that are whole now, blank ones too; what is not stays held.

    Of a line without an end only as much is held as shows that it is too long, so that its rest is no line of its own.
    """
    held += more
    cut = held.rfind(b"\n") + 1
    if cut:
        lines = bytes(held[:cut])
        del held[:cut]
        yield from lines.splitlines()
    if len(held) > 2 * LONGEST:
        del held[LONGEST + 1 :]


def _nanos(at: int | str) -> int:
    nanos = time_of(at) if isinstance(at, str) else at
    if not -LATEST <= nanos <= LATEST:
        raise ValueError(f"{at!r} is outside the years 1678 to 2262")
    return nanos


def _price(value: Decimal | None) -> int:
    nanos = 0 if value is None else scaled(value)
    return nanos if nanos > 0 else ABSENT


def _size(value: Decimal | None) -> int:
    if value is None:
        return ABSENT
    shares = scaled(value) // 10**9
    return shares if shares >= 0 else ABSENT
