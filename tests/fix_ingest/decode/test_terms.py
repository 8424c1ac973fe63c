"""Terms of orders and fills: sides, venues, symbols, quantities, times, and where a dialect finds them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fix_ingest.decode.dialect import Dialect, Symbols, Tags
from monitor.wire.events import (
    Busted,
    Filled,
    Routed,
)
from tests.fix_ingest.decode.messages import AT, FILL, PARENT, ROUTE, SEEN, decoder, frame, one, record, tell


def test_a_report_without_transact_time_happened_when_it_was_sent() -> None:
    event = one(FILL.replace("60=20261103-14:30:00.123456789|", ""))
    assert isinstance(event, Filled)
    assert event.at == SEEN - 250_000_000


@pytest.mark.parametrize(
    ("code", "side"),
    [("1", "buy"), ("2", "sell"), ("3", "buy"), ("4", "sell"), ("5", "sell_short"), ("6", "sell_short_exempt")]
    + [(code, None) for code in "789"],
)
def test_sides(code: str, side: str | None) -> None:
    event = one(FILL.replace("54=1", f"54={code}"))
    assert isinstance(event, Filled)
    assert event.side == side


@pytest.mark.parametrize(
    ("sent", "mic"),
    [("XNAS", "XNAS"), ("ARCX", "ARCX"), ("Q", "XNAS"), ("K", "EDGX"), ("D", None), ("NOSUCH", None), ("ARCA", "ARCX")],
)
def test_the_venue_is_resolved_and_kept_as_sent(sent: str, mic: str | None) -> None:
    event = one(FILL.replace("30=XNAS", f"30={sent}"), dialect=Dialect(venues={"ARCA": "ARCX"}))
    assert isinstance(event, Filled)
    assert (event.venue, event.venue_sent) == (mic, sent)


def test_a_fill_without_last_market_has_no_venue() -> None:
    event = one(FILL.replace("30=XNAS|", ""))
    assert isinstance(event, Filled)
    assert (event.venue, event.venue_sent) == (None, None)


def test_fills_in_a_cross_are_marked() -> None:
    event = one(FILL.replace("851=2", "851=4"))
    assert isinstance(event, Filled)
    assert event.auction


def test_a_symbol_gets_its_suffix() -> None:
    event = one(FILL.replace("55=IBM", "55=BRK|65=B"))
    assert isinstance(event, Filled)
    assert event.symbol == "BRK.B"
    event = one(FILL.replace("55=IBM", "55=BRK B"), dialect=Dialect(symbols=Symbols(separators=" /")))
    assert isinstance(event, Filled)
    assert event.symbol == "BRK.B"


def test_unreadable_terms_are_absent_and_counted() -> None:
    reader = decoder()
    (event,) = reader.decode(record(frame(ROUTE.replace("44=181.25", "44=MARKET").replace("38=100", "38=-100"))))
    assert isinstance(event, Routed)
    assert (event.price, event.qty) == (None, None)
    assert reader.counts["unreadable_fields"] == 2


def test_fractional_shares_are_exact() -> None:
    event = one(FILL.replace("32=100", "32=0.100"))
    assert isinstance(event, Filled)
    assert event.qty == Decimal("0.1")


def test_a_dialect_says_where_things_are() -> None:
    dialect = Dialect(
        clock="tzero",
        vendor="ACME",
        without_parent="routed",
        tags=Tags(order=("109", "11"), fill_venue=("76",), fill_price=("31", "44"), time=("9999", "60")),
        exec_types={"Q": "fill"},
        messages={"UB": "bust", "UZ": "ignore"},
    )
    fill = "35=8|11=DROP1|109=MINE|37=O1|17=E1|150=Q|55=IBM|54=1|32=5|44=10.5|76=XNYS|9999=20261103-14:30:00.1|"
    bust = "35=UB|109=MINE|17=E2|19=E1|55=IBM|60=20261103-14:30:00|"
    filled, busted = tell(fill, bust, "35=UZ|11=1|", dialect=dialect)
    assert isinstance(filled, Filled)
    assert (filled.order_id, filled.price, filled.venue, filled.clock, filled.vendor) == (
        "MINE", 10_500_000_000, "XNYS", "tzero", "ACME",
    )  # fmt: skip
    assert isinstance(busted, Busted)
    assert busted.ref_exec_id == "E1"
    assert isinstance(one(PARENT, dialect=Dialect(without_parent="routed")), Routed)


def test_a_router_that_repeats_the_customers_time_in_its_routes_is_timed_by_its_sending() -> None:
    dialect = Dialect(tags=Tags(order_time=("52",)))
    order, fill = tell(ROUTE, FILL, dialect=dialect)
    assert (order.at, fill.at) == (SEEN - 250_000_000, AT)
