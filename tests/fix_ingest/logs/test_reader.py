from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.decode.dialects import load
from fix_ingest.logs.reader import LogReader
from fix_ingest.logs.shapes import messages
from monitor.config.toml import Mistaken
from monitor.wire.events import Filled, Received, ReportLine, SessionUp
from tests.fix_ingest.decode.messages import frame

FILL = frame(
    "35=8|34=2|49=ROUTER|56=DESK|52=20261103-14:30:00.5|11=C1|37=O1|17=E1|150=F|39=1|55=IBM|54=1|32=100|31=10.5|"
    "58=a; b ^ c ~ d|60=20261103-14:30:00.123456789|"
)
ORDER = frame("35=D|34=2|49=DESK|56=ROUTER|52=20261103-14:30:00|11=C1|55=IBM|54=1|38=100|40=1|60=20261103-14:30:00|")


def log(tmp_path: Path, content: bytes, name: str = "fix.log") -> tuple[LogReader, list[ReportLine]]:
    path = tmp_path / name
    path.write_bytes(content)
    reader = LogReader("log", load("default"))
    return reader, list(reader.read(str(path)))


@pytest.mark.parametrize(
    "delimiter",
    ["\x01", "|", "^A", ";", "^", "\\x01", "\\u0001", "<SOH>", "[SOH]", "␁", " | ", "~", "#001", "&#1;", "&#x01;"],
)
@pytest.mark.parametrize(
    "around", ["{}", "2026-11-03 14:30:00,123 INFO [main] in: {}", "<20261103-14:30:00, A->B, incoming> ({})"]
)
def test_every_delimiter_and_wrapping_gives_the_same_message(delimiter: str, around: str) -> None:
    line = around.format(FILL.decode().replace("\x01", delimiter))
    assert list(messages(line)) == [FILL.decode()]


def test_spaces_may_delimit_where_values_have_none() -> None:
    assert list(messages(ORDER.decode().replace("\x01", " "))) == [ORDER.decode()]


def test_messages_may_stand_back_to_back_without_newlines(tmp_path: Path) -> None:
    reader, events = log(tmp_path, b"".join([ORDER, FILL]))
    assert [type(event) for event in events] == [Received, Filled]
    assert [event.n for event in events] == [1, 2]
    assert (reader.counts.messages, reader.counts.rejected, reader.counts.bad_frames) == (2, 0, 0)


def test_a_text_that_speaks_of_fix_breaks_no_message(tmp_path: Path) -> None:
    spoken = b"58=see 8=FIX.4.2 and 35=8 of it\x01"
    said = frame("35=8|34=2|49=R|56=D|52=20261103-14:30:00|").replace(b"10=", spoken + b"10=")
    whole = said.replace(b"10=", FILL[FILL.index(b"11=C1") : FILL.index(b"10=", FILL.index(b"58=a"))] + b"10=")
    reader, events = log(tmp_path, whole + whole.replace(b"17=E1", b"17=E2"))
    assert [getattr(event, "exec_id", None) for event in events] == ["E1", "E2"]
    assert reader.counts.garbled == 0


def test_a_log_without_newlines_may_be_larger_than_any_line(tmp_path: Path) -> None:
    many = b"".join(frame(f"35=0|34={i}|49=A|56=B|52=20261103-14:30:00|") for i in range(40_000))
    assert len(many) > 2 << 20
    reader, _ = log(tmp_path, many)
    assert (reader.counts.messages, reader.counts.rejected, reader.counts.bad_frames) == (40_000, 0, 0)


def test_both_directions_are_one_session_seen_when_sent(tmp_path: Path) -> None:
    _, (order, fill) = log(tmp_path, ORDER + b"\n" + FILL)
    assert isinstance(order, Received)
    assert isinstance(fill, Filled)
    assert order.session == fill.session == "DESK->ROUTER"
    assert fill.seen - order.seen == 500_000_000
    assert fill.at - order.at == 123_456_789


def test_lines_without_a_message_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    reader, events = log(tmp_path, b"starting up\n\n" + FILL + b"\nThis is junk!\r\n<20261103, A->B, event> (Logon)\n")
    assert len(events) == 1
    assert (reader.counts.rejected, reader.counts.remarks) == (2, 1)
    assert [(place.line, place.what) for place in reader.counts.places] == [
        (1, "no FIX message: 'starting up'"),
        (4, "no FIX message: 'This is junk!'"),
    ]


def test_a_message_printed_twice_is_told_once_and_named(tmp_path: Path) -> None:
    again = FILL.replace(b"35=8\x01", b"35=8\x0143=Y\x01122=20261103-14:30:00.5\x01")
    again = again.replace(b"\x0152=20261103-14:30:00.5", b"\x0152=20261103-14:31:00")
    reader, events = log(tmp_path, b"\n".join([FILL, FILL.replace(b"\x01", b"|"), again, ORDER]))
    assert [type(event) for event in events] == [Filled, Received]
    assert reader.counts.duplicates == 2
    assert [place.line for place in reader.counts.places] == [2, 3]
    assert reader.counts.places[0].what.startswith("same message as ")
    assert reader.counts.places[0].what.endswith("fix.log:1")


def test_annotated_messages_are_read_and_recognised_as_the_raw_ones(tmp_path: Path) -> None:
    raw = b"RawFix:35=D|49=DESK|56=ROUTER|11=C1|55=IBM|54=1|60=20261103-14:30:00|38=5|40=2|44=9.5\n"
    annotated = (
        b"AnnotatedFix: Send [A-> B]: [MsgType]35=D[NEWORDERSINGLE]|[SenderCompID]49=DESK|[TargetCompID]56=ROUTER|"
        b"[ClOrdID]11=C1|[Symbol]55=IBM|[Side]54=1[BUY]|[TransactTime]60=20261103-14:30:00|[OrderQty]38=5|"
        b"[OrdType]40=2[LIMIT]|[Price]44=9.5\n"
    )
    reader, events = log(tmp_path, annotated + raw.replace(b"|", b"\x01"))
    assert [type(event) for event in events] == [Received]
    assert reader.counts.duplicates == 1


def test_a_wrong_checksum_is_counted_and_the_message_told(tmp_path: Path) -> None:
    reader, events = log(tmp_path, FILL.replace(b"IBM", b"IBN"))
    assert isinstance(events[0], Filled)
    assert (reader.counts.bad_frames, reader.counts.garbled) == (1, 0)


def test_a_message_that_cannot_be_used_is_told_with_its_reason(tmp_path: Path) -> None:
    reader, events = log(tmp_path, FILL.replace(b"31=10.5", b"31=x"))
    assert reader.counts.garbled == len(events) == 1


def test_a_gzipped_log_is_known_by_its_bytes(tmp_path: Path) -> None:
    _, events = log(tmp_path, gzip.compress(FILL), "fix.log")
    assert isinstance(events[0], Filled)


def test_a_damaged_archive_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = b"\n".join(FILL.replace(b"17=E1", b"17=E%d" % i) for i in range(3000))
    packed = gzip.compress(lines)
    reader, events = log(tmp_path, packed[: len(packed) // 2])
    assert 0 < len(events) < 3000
    assert reader.counts.places[-1].what.startswith("damaged from here on")


def test_several_logs_are_one_source(tmp_path: Path) -> None:
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_bytes(ORDER)
    second.write_bytes(ORDER + b"\n" + FILL)
    reader = LogReader("log", load("default"))
    events = [event for path in (first, second) for event in reader.read(str(path))]
    assert [event.n for event in events] == [1, 2]
    assert reader.counts.duplicates == 1


def test_a_log_that_is_not_there_is_a_located_mistake(tmp_path: Path) -> None:
    with pytest.raises(Mistaken, match="log cannot be read"):
        list(LogReader("log", load("default")).read(str(tmp_path / "none.log")))


def test_a_logon_tells_that_the_session_is_up(tmp_path: Path) -> None:
    _, events = log(tmp_path, frame("35=A|34=1|49=A|56=B|52=20261103-14:30:00|98=0|108=30|"))
    assert isinstance(events[0], SessionUp)


@given(st.binary(max_size=500))
def test_any_file_is_read_to_its_end(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(content)
    reader = LogReader("log", load("default"))
    list(reader.read(str(path)))


@given(st.integers(0, len(FILL)), st.integers(0, len(FILL)))
def test_a_message_broken_over_two_lines_is_never_two_fills(at: int, other: int) -> None:
    text = FILL.decode()
    cuts = sorted({at, other})
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = [message for part in parts for message in messages(part)]
    assert sum("\x0117=E1\x01" in message for message in found) <= 1
