"""The wire is what its public description says it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from docs.generate import wire as wire_docs
from monitor.wire import codec, events

FILL = events.Filled(
    source="dropcopy",
    n=7,
    at=1,
    seen=2,
    session="A",
    symbol="IBM",
    order_id="o",
    exec_id="e",
    qty=Decimal("1.5"),
    price=10**9,
)
LINES = [
    FILL,
    events.Tick(source="dropcopy", n=7, at=1, seen=2),
    events.Gap(source="dropcopy", n=8, at=1, seen=2, session="A", first=3, last=4),
    events.Received(source="dropcopy", n=9, at=1, seen=2, session="A", symbol="IBM", order_id="o", ord_type="market"),
]


@pytest.mark.parametrize("path", wire_docs.documents(), ids=lambda p: p.name)
def test_the_description_is_current(path: object) -> None:
    want = wire_docs.documents()[path]  # type: ignore[index]  # parametrised with its own keys
    assert path.read_text("utf-8") == want, "run `python -m docs.generate.wire`"  # type: ignore[attr-defined]  # a Path


def test_lines_come_back_as_they_went() -> None:
    assert codec.decode_reports(codec.encode_lines(LINES)) == LINES


def test_lines_are_valid_by_the_published_schema() -> None:
    schema = json.loads((wire_docs.ROOT / "schemas" / "reports.json").read_text("utf-8"))
    for line in codec.encode_lines(LINES).splitlines():
        jsonschema.validate(json.loads(line), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(codec.encode_lines([FILL])), "qty": "1.5"}, schema)


@pytest.mark.parametrize(
    "decode", [codec.decode_reports, codec.decode_executions, codec.decode_findings, codec.decode_health]
)
@pytest.mark.parametrize("symbol", [b"I\xffM", b"\xed\xa0\x80", b"\x00"])
def test_bytes_that_are_no_text_are_told_as_any_other_mistake(decode: Callable[[bytes], object], symbol: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(codec.encode_lines([FILL]).replace(b"IBM", symbol))


def test_a_quantity_is_a_number_and_exact() -> None:
    assert b'"qty":1.5' in codec.encode_lines([FILL])


@given(st.text(min_size=1, max_size=12))
def test_partitions_are_those_of_kafkas_own_clients(symbol: str) -> None:
    assert codec.murmur2(symbol.encode()) == murmur2(symbol.encode()) & 0xFFFFFFFF
    assert 0 <= codec.partition_of(symbol, 4) < 4
