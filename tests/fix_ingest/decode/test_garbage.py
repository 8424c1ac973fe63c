"""Whatever the bytes are: an answer, never an exception, and an answer that can be written and read again."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.journal.record import RecordKind
from fix_ingest.logs.shapes import messages
from monitor.wire.codec import decode_reports, encode_lines
from monitor.wire.events import Filled, Garbled
from tests.fix_ingest.decode.messages import FILL, decoder, frame, garbled, one, record

SEEDS = [
    frame("35=D|34=1|11=C1|1080=P1|55=IBM|54=1|38=100|40=2|44=181.25|59=0|100=XNAS|60=20261103-14:30:00.001|"),
    frame(
        "35=8|34=2|11=C1|37=O1|17=E1|150=F|39=1|55=IBM|54=1|32=100|31=181.2|14=100|151=900|30=Q|60=20261103-14:30:00|"
    ),
    frame("35=8|34=3|11=C2|41=C1|37=O1|17=R1|150=5|39=0|55=IBM|38=200|382=2|375=A|375=B|60=20261103-14:30:00|"),
    frame("35=8|34=4|11=C2|37=O1|17=B1|19=E1|20=1|150=H|39=1|55=IBM|453=1|448=P|447=D|452=1|52=20261103-14:30:00|"),
    frame("35=j|34=5|52=20261103-14:30:00|372=D|379=C1|380=3|95=5|96=a|b=c|58=no|"),
]
KINDS: list[RecordKind] = ["message", "up", "down", "gap", "gap_filled", "reset", "refused"]


@given(st.binary(max_size=400), st.sampled_from(KINDS), st.booleans())
def test_any_bytes(body: bytes, kind: RecordKind, live: bool) -> None:
    events = decoder(live=live).decode(record(body, kind=kind))
    assert decode_reports(encode_lines(events)) == events


pieces = st.one_of(
    st.sampled_from(["35=8", "35=D", "35=G", "150=F", "150=5", "20=1", "39=1", "11=A", "41=A", "37=O", "17=E", "19=E"]),
    st.sampled_from(
        ["55=IBM", "32=1", "31=1", "60=20261103-14:30:00", "52=20261103-14:30:00", "30=D", "54=1", "151=0"]
    ),
    st.tuples(
        st.sampled_from(["8", "11", "31", "32", "44", "55", "60", "65", "95", "96", "453", "1080"]), st.text()
    ).map("=".join),
    st.text(),
)


@given(st.lists(pieces, max_size=30))
def test_any_fields(fields: list[str]) -> None:
    body = "\x01".join(fields).encode("utf-8", "surrogatepass")
    reader = decoder(live=False)
    for n in range(2):
        events = reader.decode(record(body, n))
        assert decode_reports(encode_lines(events)) == events


@given(st.integers(0, 2**32))
def test_mutated_messages(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - mutations, no secret
    live, lenient = decoder(), decoder(live=False)
    for n in range(20):
        body = mutated(dice, dice.choice(SEEDS))
        for reader in (live, lenient):
            events = reader.decode(record(body, n))
            assert decode_reports(encode_lines(events)) == events


def mutated(dice: random.Random, body: bytes) -> bytes:
    """A message with up to four changes: bytes flipped, cut out, doubled, fields swapped."""
    for _ in range(dice.randrange(5)):
        at = dice.randrange(len(body) + 1)
        end = min(len(body), at + dice.randrange(1, 12))
        fields = body.split(b"\x01")
        match dice.randrange(5):
            case 0:
                body = body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
            case 1:
                body = body[:at] + body[end:]
            case 2:
                body = body[:end] + body[at:end] + body[end:]
            case 3:
                dice.shuffle(fields)
                body = b"\x01".join(fields)
            case _:
                body = b"\x01".join([*fields, dice.choice(fields)])
    return body


@given(st.integers(0, len(SEEDS) - 1), st.integers(0, 200))
def test_a_message_cut_anywhere_is_garbled(which: int, at: int) -> None:
    body = SEEDS[which]
    (event,) = decoder().decode(record(body[: min(at, len(body) - 1)]))
    assert isinstance(event, Garbled)


@given(st.text())
def test_no_line_of_a_log_raises(line: str) -> None:
    list(messages(line))
    list(messages("8=FIX.4.4|9=5|35=0|" + line))
    list(messages("35=8|11=" + line))


def test_the_seeds_are_good() -> None:
    reader = decoder()
    kinds = [type(event).__name__ for seed in SEEDS for event in reader.decode(record(seed))]
    assert kinds == ["Routed", "Filled", "Replaced", "Busted", "Rejected"]


@pytest.mark.parametrize("tag", ["11", "37", "17", "55", "30"])
def test_an_id_of_any_length_becomes_a_named_event_and_never_travels_with_a_finding(tag: str) -> None:
    message = re.sub(rf"(?<=\|){tag}=[^|]*", f"{tag}={'X' * 170_000}", f"|{FILL}")[1:]
    reason = garbled(message)
    assert "170000 characters: at most 256" in reason
    assert isinstance(one(re.sub(rf"(?<=\|){tag}=[^|]*", f"{tag}={'X' * 256}", f"|{FILL}")[1:]), Filled)
