"""FIX messages for tests: framed as on the wire, and decoded in one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from fix_ingest.decode.decoder import Decoder
from fix_ingest.decode.dialect import Dialect
from fix_ingest.decode.dialects import load
from fix_ingest.decode.message import checksum
from fix_ingest.journal.record import Record, RecordKind
from monitor.venues.shipped import shipped
from monitor.wire.events import Garbled, ReportLine
from tests import SHARED

SEEN = 1_793_716_200_500_000_000
"""2026-11-03 14:30:00.5 UTC."""
SENT = "20261103-14:30:00.250"
HEAD = f"49=ROUTER|56=DESK|34=7|52={SENT}|"

AT = 1_793_716_200_123_456_789
PARENT = "35=D|11=P1|55=IBM|54=1|38=1000|40=2|44=181.25|59=0|528=A|60=20261103-14:30:00.000|"
ROUTE = "35=D|11=C1|1080=P1|55=IBM|54=1|38=100|40=2|44=181.25|59=3|100=XNAS|60=20261103-14:30:00.001|"
FILL = (
    "35=8|11=C1|37=O1|17=E1|150=F|39=1|55=IBM|54=1|32=100|31=181.2345|14=100|151=900|6=0|30=XNAS|851=2|"
    "60=20261103-14:30:00.123456789|"
)


def frame(fields: str, begin: str = "FIX.4.4") -> bytes:
    """Fields from 35= on, with | between them, as wire bytes with the right length and checksum."""
    body = fields.replace("|", "\x01").encode()
    head = f"8={begin}\x019={len(body)}\x01".encode()
    return head + body + b"10=%03d\x01" % checksum(head + body)


def record(body: bytes, n: int = 1, kind: RecordKind = "message", session: str = "sor", seen: int = SEEN) -> Record:
    return Record(n, seen, session, kind, body)


def decoder(dialect: Dialect | None = None, live: bool = True) -> Decoder:
    return Decoder("dropcopy", {}, shipped(), otherwise=dialect or load("default"), live=live)


def tell(*messages: str, dialect: Dialect | None = None, live: bool = True) -> list[ReportLine]:
    """Events of messages given from 35= on without header fields."""
    reader = decoder(dialect, live)
    return [
        event
        for n, fields in enumerate(messages, 1)
        for event in reader.decode(record(frame(fields.replace("|", "|" + HEAD, 1)), n))
    ]


def one(*messages: str, dialect: Dialect | None = None) -> ReportLine:
    """The last event of some messages."""
    return tell(*messages, dialect=dialect)[-1]


def garbled(*messages: str, dialect: Dialect | None = None) -> str:
    event = one(*messages, dialect=dialect)
    assert isinstance(event, Garbled), event
    return event.reason


def shared(folder: str) -> Path:
    """A folder of real input outside the repository; skips the test where it is absent."""
    path = SHARED / "data" / folder
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    return path
