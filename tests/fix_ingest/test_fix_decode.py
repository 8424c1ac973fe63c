from __future__ import annotations

from decimal import Decimal

import pytest
from fix_wire import HEAD, SEEN, decoder, frame, record, tell

from fix_ingest.dialect import Dialect, Rung, Symbols, Tags
from fix_ingest.record import RecordKind
from monitor.events import (
    Acked,
    Busted,
    Cancelled,
    Corrected,
    Expired,
    Filled,
    Gap,
    GapFilled,
    Garbled,
    Rejected,
    Replaced,
    ReportLine,
    Reset,
    Restated,
    Routed,
    SessionDown,
    SessionUp,
    Status,
)
from monitor.events import Received as ReceivedOrder
from monitor.wire import decode_reports, encode_lines

AT = 1_793_716_200_123_456_789
PARENT = "35=D|11=P1|55=IBM|54=1|38=1000|40=2|44=181.25|59=0|528=A|60=20261103-14:30:00.000|"
ROUTE = "35=D|11=C1|1080=P1|55=IBM|54=1|38=100|40=2|44=181.25|59=3|100=XNAS|60=20261103-14:30:00.001|"
FILL = (
    "35=8|11=C1|37=O1|17=E1|150=F|39=1|55=IBM|54=1|32=100|31=181.2345|14=100|151=900|6=0|30=XNAS|851=2|"
    "60=20261103-14:30:00.123456789|"
)


def one(*messages: str, dialect: Dialect | None = None) -> ReportLine:
    """The last event of some messages."""
    return tell(*messages, dialect=dialect)[-1]


def garbled(*messages: str, dialect: Dialect | None = None) -> str:
    event = one(*messages, dialect=dialect)
    assert isinstance(event, Garbled), event
    return event.reason


def test_a_fill_carries_everything_that_was_said() -> None:
    event = one(FILL)
    assert isinstance(event, Filled)
    assert (event.source, event.n, event.part, event.session, event.seq) == ("dropcopy", 1, 0, "sor", 7)
    assert (event.at, event.seen, event.clock) == (AT, SEEN, "sor")
    assert (event.symbol, event.side, event.order_id, event.broker_id, event.exec_id) == (
        "IBM",
        "buy",
        "C1",
        "O1",
        "E1",
    )
    assert (event.qty, event.price, event.leaves, event.cum) == (100, 181_234_500_000, 900, 100)
    assert (event.venue, event.venue_sent, event.liquidity, event.auction) == ("XNAS", "XNAS", "2", False)
    assert event.raw is not None
    assert event.raw.startswith("8=FIX.4.4|9=")
    assert decode_reports(encode_lines([event])) == [event]


def test_an_order_without_parent_is_the_customers_and_one_with_it_a_route() -> None:
    received, routed = tell(PARENT, ROUTE)
    assert isinstance(received, ReceivedOrder)
    assert (received.order_id, received.parent_id, received.link) == ("P1", None, None)
    assert (received.qty, received.ord_type, received.price, received.tif, received.capacity) == (
        1000, "limit", 181_250_000_000, "day", "A",
    )  # fmt: skip
    assert isinstance(routed, Routed)
    assert (routed.order_id, routed.parent_id, routed.link) == ("C1", "P1", "RefOrderID")
    assert (routed.venue, routed.tif) == ("XNAS", "ioc")


@pytest.mark.parametrize(("tag", "link"), [("1080", "RefOrderID"), ("526", "SecondaryClOrdID"), ("583", "ClOrdLinkID")])
def test_every_rung_of_the_ladder_names_itself(tag: str, link: str) -> None:
    event = one(ROUTE.replace("1080=", f"{tag}="))
    assert isinstance(event, Routed)
    assert (event.parent_id, event.link) == ("P1", link)


def test_a_parent_can_be_named_by_the_shape_of_the_id() -> None:
    dialect = Dialect(parent=(Rung(name="id", tag="11", pattern=r"^(.+)-[0-9]+$"),))
    routed, received = tell(
        ROUTE.replace("11=C1|1080=P1", "11=P1-3"), ROUTE.replace("11=C1|1080=P1", "11=P2"), dialect=dialect
    )
    assert isinstance(routed, Routed)
    assert (routed.parent_id, routed.link) == ("P1", "id")
    assert isinstance(received, ReceivedOrder)


def test_reports_about_a_route_know_its_parent_without_saying_so() -> None:
    event = one(PARENT, ROUTE, FILL)
    assert isinstance(event, Filled)
    assert (event.parent_id, event.link) == ("P1", "RefOrderID")


def test_an_order_that_came_without_a_parent_does_not_get_one_from_a_report() -> None:
    event = one(PARENT, FILL.replace("11=C1", "11=P1|526=CARE"))
    assert isinstance(event, Filled)
    assert event.parent_id is None


def test_an_order_is_never_its_own_parent() -> None:
    event = one(ROUTE.replace("1080=P1", "1080=C1"))
    assert isinstance(event, ReceivedOrder)


def test_a_route_names_its_parent_by_the_first_id_of_the_parents_chain() -> None:
    replaced = "35=8|11=P2|41=P1|17=R|150=5|39=0|55=IBM|54=1|38=2000|60=20261103-14:30:00|"
    event = one(PARENT, replaced, ROUTE.replace("1080=P1", "1080=P2"))
    assert isinstance(event, Routed)
    assert event.parent_id == "P1"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("0", Acked), ("4", Cancelled), ("8", Rejected), ("5", Replaced), ("C", Expired), ("3", Expired), ("D", Restated)]
    + [(code, Status) for code in "679ABEIJKL"],
)
def test_what_each_exec_type_means(code: str, kind: type) -> None:
    event = one(f"35=8|11=C1|37=O1|17=E1|150={code}|39=0|55=IBM|54=1|32=100|31=95|60=20261103-14:30:00|")
    assert type(event) is kind


@pytest.mark.parametrize("code", ["1", "2", "F"])
@pytest.mark.parametrize("begin", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIXT.1.1"])
@pytest.mark.parametrize("status", ["0", "1", "2", "6", "E"])
def test_a_fill_is_known_by_its_exec_type_in_every_version_and_status(code: str, begin: str, status: str) -> None:
    fields = FILL.replace("150=F|39=1", f"20=0|150={code}|39={status}")
    (event,) = decoder().decode(record(frame(fields, begin)))
    assert isinstance(event, Filled)


def test_a_report_without_exec_type_is_a_fill_only_when_it_says_how_much_at_which_price() -> None:
    old = FILL.replace("150=F|", "20=0|")
    assert isinstance(one(old), Filled)
    assert isinstance(one(old.replace("32=100", "32=0")), Status)
    assert isinstance(one(old.replace("39=1", "39=0")), Acked)
    assert isinstance(one(old.replace("39=1|", "")), Filled)
    assert "does not say what happened" in garbled(old.replace("39=1|", "").replace("31=181.2345|", ""))


def test_the_last_fill_may_say_partially_filled_with_nothing_left() -> None:
    event = one(FILL.replace("151=900", "151=0"))
    assert isinstance(event, Filled)
    assert event.leaves == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("32=100", "32=0"), "a trade without a quantity: 32='0'"),
        (("32=100|", ""), "a trade without a quantity: 32=None"),
        (("32=100", "32=-5"), "a trade without a quantity"),
        (("32=100", "32=many"), "a trade without a quantity"),
        (("31=181.2345|", ""), "a trade without a price: 31=None"),
        (("31=181.2345", "31=0"), "a trade without a price: 31='0'"),
        (("31=181.2345", "31=MARKET"), "a trade without a price"),
        (("150=F", "150=Q"), "ExecType(150)='Q' is not known"),
        (("55=IBM|", ""), "Symbol(55) is missing, and the order is not known"),
        (("11=C1|37=O1|", ""), "names no order"),
        (("60=20261103-14:30:00.123456789", "60=20261103-24:00:00"), "time in 60 is not a UTC timestamp"),
        (("60=20261103-14:30:00.123456789", "60=20991103-14:30:00"), "further ahead of arrival"),
    ],
)
def test_a_fill_that_cannot_be_used_says_why(change: tuple[str, str], reason: str) -> None:
    assert reason in garbled(FILL.replace(*change))


def test_average_price_is_never_a_price() -> None:
    assert "without a price" in garbled(FILL.replace("31=181.2345|", "").replace("6=0", "6=181.2345"))


def test_a_report_without_transact_time_happened_when_it_was_sent() -> None:
    event = one(FILL.replace("60=20261103-14:30:00.123456789|", ""))
    assert isinstance(event, Filled)
    assert event.at == SEEN - 250_000_000


def test_a_report_without_client_id_is_found_by_the_brokers() -> None:
    later = FILL.replace("11=C1|", "")
    event = one(ROUTE, FILL, later)
    assert isinstance(event, Filled)
    assert (event.order_id, event.parent_id) == ("C1", "P1")
    alone = one(later)
    assert isinstance(alone, Filled)
    assert alone.order_id == "O1"


def test_a_fill_without_exec_id_gets_one_that_is_the_same_when_it_is_sent_again() -> None:
    first, again = tell(FILL.replace("17=E1|", ""), FILL.replace("17=E1|", ""))
    assert isinstance(first, Filled)
    assert isinstance(again, Filled)
    assert first.exec_id == again.exec_id == "C1@100"


def test_symbol_and_side_of_a_known_order_need_not_be_repeated() -> None:
    event = one(ROUTE, FILL.replace("55=IBM|54=1|", ""))
    assert isinstance(event, Filled)
    assert (event.symbol, event.side) == ("IBM", "buy")


@pytest.mark.parametrize(
    ("code", "side"),
    [("1", "buy"), ("2", "sell"), ("3", "buy"), ("4", "sell"), ("5", "sell_short"), ("6", "sell_short_exempt")]
    + [(code, None) for code in "789"],
)
def test_sides(code: str, side: str | None) -> None:
    event = one(FILL.replace("54=1", f"54={code}"))
    assert isinstance(event, Filled)
    assert event.side == side


def test_reports_after_a_replace_are_about_the_first_order_of_the_chain() -> None:
    request = "35=G|11=C2|41=C1|55=IBM|54=1|38=200|60=20261103-14:30:00|"
    replaced = "35=8|11=C2|41=C1|37=O1|17=R1|150=5|39=0|55=IBM|38=200|44=181.3|60=20261103-14:30:00|"
    third = "35=8|11=C3|41=C2|37=O1|17=R2|150=5|39=0|55=IBM|38=300|60=20261103-14:30:00|"
    fill = FILL.replace("11=C1", "11=C3")
    events = tell(ROUTE, request, replaced, third, fill)
    assert [getattr(event, "order_id", None) for event in events] == ["C1"] * 5
    assert [type(event) for event in events] == [Routed, Status, Replaced, Replaced, Filled]
    change = events[2]
    assert isinstance(change, Replaced)
    assert (change.new_id, change.qty, change.price, change.parent_id) == ("C2", 200, 181_300_000_000, "P1")


def test_a_cancel_goes_by_the_request_and_ends_the_order() -> None:
    request = "35=F|11=X9|41=C1|55=IBM|54=1|60=20261103-14:30:00|"
    done = "35=8|11=X9|41=C1|37=O1|17=E9|150=4|39=4|55=IBM|14=0|151=0|60=20261103-14:30:00|"
    events = tell(ROUTE, request, done)
    assert [type(event) for event in events] == [Routed, Status, Cancelled]
    assert [getattr(event, "order_id", None) for event in events] == ["C1"] * 3


def test_a_refused_cancel_leaves_the_order_as_it_was() -> None:
    event = one(ROUTE, "35=9|11=X9|41=C1|37=O1|39=0|434=1|102=0|58=Too late|60=20261103-14:30:00|")
    assert isinstance(event, Status)
    assert (event.order_id, event.reason) == ("C1", "cancel or replace refused: Too late")


def test_an_id_used_again_begins_a_new_chain() -> None:
    replaced = "35=8|11=C2|41=C1|37=O1|17=R1|150=5|39=0|55=IBM|38=200|60=20261103-14:30:00|"
    event = one(ROUTE, replaced, ROUTE.replace("11=C1", "11=C2"), FILL.replace("11=C1|37=O1", "11=C2|37=O2"))
    assert isinstance(event, Filled)
    assert event.order_id == "C2"


@pytest.mark.parametrize("mark", ["150=H|39=1", "20=1|150=F|39=1", "20=1|150=4|39=4", "20=1|39=1"])
def test_busts_of_both_kinds(mark: str) -> None:
    event = one(FILL, FILL.replace("17=E1|150=F|39=1", f"17=E2|19=E1|{mark}"))
    assert isinstance(event, Busted)
    assert (event.exec_id, event.ref_exec_id) == ("E2", "E1")


@pytest.mark.parametrize("mark", ["150=G|39=1", "20=2|150=F|39=1", "20=2|150=1|39=G"])
def test_corrections_of_both_kinds(mark: str) -> None:
    fixed = FILL.replace("17=E1|150=F|39=1", f"17=E2|19=E1|{mark}").replace("31=181.2345", "31=181.3")
    event = one(FILL, fixed)
    assert isinstance(event, Corrected)
    assert (event.ref_exec_id, event.qty, event.price) == ("E1", 100, 181_300_000_000)
    price_only = one(FILL, fixed.replace("32=100|", ""))
    assert isinstance(price_only, Corrected)
    assert price_only.qty is None


def test_a_bust_must_say_what_it_busts() -> None:
    assert "ExecRefID(19) is missing" in garbled(FILL, FILL.replace("150=F", "150=H"))
    assert "ExecRefID(19) is missing" in garbled(FILL, FILL.replace("150=F", "20=1|150=F"))


def test_a_cancelled_order_of_a_hybrid_is_no_bust() -> None:
    assert isinstance(one(FILL.replace("150=F|39=1", "20=1|150=4|39=4")), Cancelled)


def test_a_status_answer_changes_nothing_whatever_else_it_repeats() -> None:
    assert isinstance(one(FILL.replace("150=F", "20=3|150=2")), Status)
    assert isinstance(one(FILL.replace("150=F", "150=I")), Status)


def test_done_for_day_ends_a_day_order_only() -> None:
    done = "35=8|11=C1|37=O1|17=E1|150=3|39=3|55=IBM|59={}|60=20261103-14:30:00|"
    assert isinstance(one(done.format(0)), Expired)
    assert isinstance(one(done.format(1)), Status)


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


def test_a_business_reject_of_a_known_order_ends_it() -> None:
    event = one(ROUTE, "35=j|372=D|379=C1|380=3|58=no such symbol|")
    assert isinstance(event, Rejected)
    assert (event.order_id, event.reason, event.symbol) == ("C1", "no such symbol", "IBM")
    assert "refused a message (35=D): no such symbol" in garbled("35=j|372=D|379=C1|58=no such symbol|")


def test_a_session_reject_is_told() -> None:
    assert garbled("35=3|45=12|58=Required tag missing|") == "the counterparty refused message 12: Required tag missing"


def test_messages_that_are_not_about_orders_are_counted_not_told() -> None:
    reader = decoder()
    for kind in ("0", "1", "2", "V", "W", "AE", "S", "R", "AJ", "h"):
        assert reader.decode(record(frame(f"35={kind}|{HEAD}"))) == []
    assert reader.counts["ignored"] == 10


def test_an_unknown_message_type_is_named() -> None:
    assert garbled("35=UX|11=1|") == "MsgType(35)='UX' is not known to this dialect"


def test_possible_duplicates_are_told_again_with_the_same_execution() -> None:
    reader = decoder()
    first = reader.decode(record(frame(FILL)))[0]
    again = reader.decode(record(frame(FILL.replace("35=8|", "35=8|43=Y|97=Y|")), 2))[0]
    assert isinstance(first, Filled)
    assert isinstance(again, Filled)
    assert (first.exec_id, first.at) == (again.exec_id, again.at)
    assert reader.counts["possible_duplicates"] == 1


NOTES: list[tuple[RecordKind, bytes, type]] = [
    ("up", b"", SessionUp),
    ("down", b"timed out", SessionDown),
    ("reset", b"", Reset),
    ("gap", b"12-19", Gap),
    ("gap_filled", b"12-19", GapFilled),
    ("gap", b"twelve", Garbled),
    ("refused", b"junk", Garbled),
]


@pytest.mark.parametrize(("kind", "body", "event"), NOTES)
def test_what_befalls_a_session_is_told(kind: RecordKind, body: bytes, event: type) -> None:
    (told,) = decoder().decode(record(body, 5, kind))
    assert type(told) is event
    assert (told.n, told.at, told.clock) == (5, SEEN, "here")
    if isinstance(told, Gap | GapFilled):
        assert (told.first, told.last) == (12, 19)


def test_refused_bytes_say_what_was_wrong_with_them() -> None:
    body = frame(FILL)
    (whole,) = decoder().decode(record(body, kind="refused"))
    (broken,) = decoder().decode(record(body.replace(b"IBM", b"IBN"), kind="refused"))
    assert isinstance(whole, Garbled)
    assert isinstance(broken, Garbled)
    assert whole.reason == "refused by the session layer"
    assert "CheckSum(10)" in broken.reason


def test_a_message_with_a_wrong_checksum_is_garbled_live() -> None:
    (event,) = decoder().decode(record(frame(FILL).replace(b"IBM", b"IBN")))
    assert isinstance(event, Garbled)
    assert "CheckSum(10)" in event.reason


def test_passwords_are_never_shown() -> None:
    body = frame("35=A|553=me|554=secret|925=new|98=0|").replace(b"98=0", b"98=1")
    (event,) = decoder().decode(record(body))
    assert isinstance(event, Garbled)
    assert "secret" not in event.raw
    assert "554=***|925=***|" in event.raw


def test_enormous_garbage_is_cut() -> None:
    (event,) = decoder().decode(record(b"x" * 5_000_000))
    assert isinstance(event, Garbled)
    assert len(event.raw) <= 8192


def test_a_router_that_repeats_the_customers_time_in_its_routes_is_timed_by_its_sending() -> None:
    dialect = Dialect(tags=Tags(order_time=("52",)))
    order, fill = tell(ROUTE, FILL, dialect=dialect)
    assert (order.at, fill.at) == (SEEN - 250_000_000, AT)
