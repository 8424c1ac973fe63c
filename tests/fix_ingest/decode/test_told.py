"""What a decoder tells that is about no order: sessions, refusals, garbage."""

from __future__ import annotations

import pytest

from fix_ingest.journal.record import RecordKind
from monitor.wire.events import (
    Gap,
    GapFilled,
    Garbled,
    Reset,
    SessionDown,
    SessionUp,
)
from tests.fix_ingest.decode.messages import FILL, HEAD, SEEN, decoder, frame, garbled, record


def test_a_session_reject_is_told() -> None:
    assert garbled("35=3|45=12|58=Required tag missing|") == "the counterparty refused message 12: Required tag missing"


def test_messages_that_are_not_about_orders_are_counted_not_told() -> None:
    reader = decoder()
    for kind in ("0", "1", "2", "V", "W", "AE", "S", "R", "AJ", "h"):
        assert reader.decode(record(frame(f"35={kind}|{HEAD}"))) == []
    assert reader.counts["ignored"] == 10


def test_an_unknown_message_type_is_named() -> None:
    assert garbled("35=UX|11=1|") == "MsgType(35)='UX' is not known to this dialect"


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
