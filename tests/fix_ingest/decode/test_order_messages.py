"""Which order a FIX message is about: parents of routes, chains of replaces, cancels."""

from __future__ import annotations

import pytest

from fix_ingest.decode.dialect import Dialect, Rung
from monitor.wire.events import (
    Cancelled,
    Filled,
    Rejected,
    Replaced,
    Routed,
    Status,
)
from monitor.wire.events import Received as ReceivedOrder
from tests.fix_ingest.decode.messages import FILL, PARENT, ROUTE, garbled, one, tell


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


def test_a_report_without_client_id_is_found_by_the_brokers() -> None:
    later = FILL.replace("11=C1|", "")
    event = one(ROUTE, FILL, later)
    assert isinstance(event, Filled)
    assert (event.order_id, event.parent_id) == ("C1", "P1")
    alone = one(later)
    assert isinstance(alone, Filled)
    assert alone.order_id == "O1"


def test_symbol_and_side_of_a_known_order_need_not_be_repeated() -> None:
    event = one(ROUTE, FILL.replace("55=IBM|54=1|", ""))
    assert isinstance(event, Filled)
    assert (event.symbol, event.side) == ("IBM", "buy")


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


def test_a_business_reject_of_a_known_order_ends_it() -> None:
    event = one(ROUTE, "35=j|372=D|379=C1|380=3|58=no such symbol|")
    assert isinstance(event, Rejected)
    assert (event.order_id, event.reason, event.symbol) == ("C1", "no such symbol", "IBM")
    assert "refused a message (35=D): no such symbol" in garbled("35=j|372=D|379=C1|58=no such symbol|")
