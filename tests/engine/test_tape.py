"""Tapes say what they mean, and where they do not."""

from __future__ import annotations

import pytest

from monitor.engine import tape
from monitor.wire.blocks import ABSENT
from monitor.wire.events import Filled, Received


def test_a_tape_is_read_with_what_it_leaves_out() -> None:
    read = tape.read(
        """
        # an order, told shortly
        09:30:00.000123    quote IBM 100.5x- 300x500
        +1.5ms             received id=A side=sell qty=2.5 type=limit limit=100.123456789 tif=ioc
        +20us              filled id=A1 parent=A exec=E qty=1 price=100 venue=XNAS auction=true clock=vendor
        10:00:00           tick    # and nothing more
        """
    )
    (quote,) = read.quotes
    assert (quote.bid, quote.ask, quote.ask_size) == (100_500_000_000, ABSENT, 500)
    received, filled = read.reports
    assert isinstance(received, Received)
    assert isinstance(filled, Filled)
    assert received.at == tape.DAY + 34_200_000_123_000 + 1_500_000
    assert (received.symbol, received.price, received.n) == ("IBM", 100_123_456_789, 4)
    assert (filled.symbol, filled.side, filled.venue_sent, filled.auction) == ("IBM", "sell", "XNAS", True)
    assert filled.at == received.at + 20_000
    assert read.until == tape.DAY + 36_000 * 10**9


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("09:30 tick", "neither a time"),
        ("tick", "a line is"),
        ("09:30:00 quote IBM", "a quote is"),
        ("09:30:00 quote IBM 100-101", "x between"),
        ("09:30:00 quote IBM 10ox101", "not a number"),
        ("09:30:00 received qty=1", "which order"),
        ("09:30:00 recieved id=A", "recieved"),
        ("09:30:00 received id=A colour=red", "colour"),
        ("09:30:00 received id=A side=long", "long"),
        ("09:30:00 received id=", "field=value"),
        ("09:30:00 filled id=A exec=E price=1", "qty"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, what: str) -> None:
    with pytest.raises(tape.TapeMistake, match=what) as mistake:
        tape.read(f"\n{line}")
    assert mistake.value.line == 2
