"""What FIX execution reports become: fills, ends, busts, corrections, and why some cannot be used."""

from __future__ import annotations

import pytest

from monitor.wire.codec import decode_reports, encode_lines
from monitor.wire.events import (
    Acked,
    Busted,
    Cancelled,
    Corrected,
    Expired,
    Filled,
    Rejected,
    Replaced,
    Restated,
    Status,
)
from tests.fix_ingest.decode.messages import AT, FILL, SEEN, decoder, frame, garbled, one, record, tell


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


def test_a_fill_without_exec_id_gets_one_that_is_the_same_when_it_is_sent_again() -> None:
    first, again = tell(FILL.replace("17=E1|", ""), FILL.replace("17=E1|", ""))
    assert isinstance(first, Filled)
    assert isinstance(again, Filled)
    assert first.exec_id == again.exec_id == "C1@100"


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


def test_possible_duplicates_are_told_again_with_the_same_execution() -> None:
    reader = decoder()
    first = reader.decode(record(frame(FILL)))[0]
    again = reader.decode(record(frame(FILL.replace("35=8|", "35=8|43=Y|97=Y|")), 2))[0]
    assert isinstance(first, Filled)
    assert isinstance(again, Filled)
    assert (first.exec_id, first.at) == (again.exec_id, again.at)
    assert reader.counts["possible_duplicates"] == 1
