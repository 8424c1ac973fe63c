"""What of a session's bytes is journaled, in which order, with which next number: the rules without a session."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.journal.record import RecordKind
from fix_ingest.session.delivery import Delivery
from fix_ingest.session.dictionaries import installed, relaxed
from fix_ingest.session.raw_fields import field, is_whole, number, without_secrets
from monitor.demo.dropcopy import framed


def wire(seq: int, kind: str = "8", *fields: str) -> bytes:
    return framed("FIX.4.4", "".join(f"{f}\x01" for f in (f"35={kind}", f"34={seq}", *fields)).encode())


class Layer:
    """A session layer of a few lines: delivers in order, keeps what comes ahead, drops what it has had."""

    def __init__(self) -> None:
        self.expected = 1
        self.ahead: dict[int, bytes] = {}
        self.kept: list[tuple[RecordKind, bytes, int | None]] = []
        self.delivery = Delivery("sor", self.put, lambda: self.expected)
        self.delivery.went_up("x", 0)

    def put(self, session: str, kind: RecordKind, body: bytes, seen: int, mark: int | None = None) -> int:
        self.kept.append((kind, body, mark))
        return len(self.kept)

    def receive(self, raw: bytes) -> None:
        self.delivery.came(raw, 1)
        seq = number(raw)
        assert seq is not None
        if not is_whole(raw):
            return
        if seq > self.expected:
            self.delivery.asked_again(self.expected, 1)
            self.ahead[seq] = raw
            return
        if seq == self.expected:
            self.deliver(raw)
            while self.expected in self.ahead:
                self.deliver(self.ahead.pop(self.expected))

    def deliver(self, raw: bytes) -> None:
        self.delivery.deliver(Message(raw))
        self.expected += 1


class Message:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def seq(self) -> int:
        return int(field(self.raw, 34) or b"0")

    def text(self) -> bytes:
        raise AssertionError("wire bytes were there")


@given(st.lists(st.tuples(st.integers(1, 8), st.sampled_from(["whole", "again", "garbled"])), max_size=40))
def test_every_number_once_in_order_with_the_bytes_that_were_delivered(steps: list[tuple[int, str]]) -> None:
    layer = Layer()
    for seq, how in steps:
        raw = wire(seq, "8", "43=Y") if how == "again" else wire(seq)
        layer.receive(raw[:-4] + b"xyz\x01" if how == "garbled" else raw)
    layer.delivery.settle(2)
    messages = [(body, mark) for kind, body, mark in layer.kept if kind == "message"]
    assert [number(body) for body, _ in messages] == list(range(1, layer.expected))
    assert [mark for _, mark in messages] == list(range(2, layer.expected + 1))
    assert all(is_whole(body) for body, _ in messages)
    garbled = [body for kind, body, _ in layer.kept if kind == "refused" and not is_whole(body)]
    assert len(garbled) == sum(how == "garbled" for _, how in steps) == layer.delivery.garbled
    asked = {seq for kind, body, _ in layer.kept if kind == "gap" for seq in _span(body)}
    filled = {seq for kind, body, _ in layer.kept if kind == "gap_filled" for seq in _span(body)}
    assert filled == {seq for seq in filled if seq < layer.expected} <= asked


def _span(body: bytes) -> range:
    first, last = map(int, body.split(b"-"))
    return range(first, last + 1)


def test_a_password_is_masked_and_the_message_stays_whole() -> None:
    raw = wire(1, "A", "98=0", "554=secret", "925=new one", "108=30")
    masked = without_secrets(raw)
    assert b"secret" not in masked
    assert b"new one" not in masked
    assert is_whole(masked)
    assert len(masked) == len(raw)
    assert without_secrets(wire(2)) == wire(2)


def test_wholeness_is_length_and_checksum() -> None:
    raw = wire(7, "8", "58=x")
    assert is_whole(raw)
    assert not is_whole(raw.replace(b"58=x", b"58=y"))
    assert not is_whole(raw.replace(b"\x0158=x", b"\x0158=xx"))
    assert not is_whole(raw[:-1])


def test_a_relaxed_dictionary_requires_nothing_and_knows_the_custom_types() -> None:
    text = relaxed(installed("FIX.4.4").read_text("utf-8"), ("U1", "8"))
    assert "required='Y'" not in text.replace('"', "'")
    assert re.findall(r'<message name="CustomU1" msgtype="U1" msgcat="app"', text)
    assert "Custom8" not in text
    assert set(re.findall(r'<field number="\d+" name="\w+" type="([A-Z]+)"', text)) <= {
        "STRING", "NUMINGROUP", "LENGTH", "DATA", "SEQNUM", "BOOLEAN", "XMLDATA",
    }  # fmt: skip
    assert set(re.findall(r'<value enum="([^"]+)"', text)) >= {"8", "D", "U1"}
