"""The drop-copy source's own parts: what is sent again, in which shape, and how fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.session.raw_fields import is_whole
from monitor.demo.dropcopy import Inbound, framed, prepared
from monitor.demo.dropcopy.outgoing import Outgoing
from monitor.demo.dropcopy.pace import Pace

NOW = 1_793_716_200_500_000_000


def fields(wire: bytes) -> list[dict[bytes, bytes]]:
    return list(Inbound().feed(wire))


@given(st.lists(st.booleans(), max_size=20), st.integers(1, 20), st.integers(0, 20))
def test_a_resend_covers_every_number_asked_for_once(sent: list[bool], first: int, last: int) -> None:
    outgoing = Outgoing("FIX.4.4", "A", "B")
    for number, is_message in enumerate(sent, 1):
        if is_message:
            outgoing.batch([b"35=8\x0117=%d\x01" % number], NOW)
        else:
            outgoing.session_message(b"0", b"", NOW)
    wanted = list(range(first, len(sent) + 1 if last == 0 else min(last, len(sent)) + 1))
    covered: list[int] = []
    for message in fields(b"".join(outgoing.again(first, last, NOW))):
        number = int(message[b"34"])
        assert message[b"43"] == b"Y"
        if message[b"35"] == b"4":
            filled = range(number, int(message[b"36"]))
            assert not any(sent[n - 1] for n in filled)
            covered += filled
        else:
            assert message[b"17"] == message[b"34"]
            covered.append(number)
    assert covered == wanted
    assert (outgoing.messages, outgoing.resent) == (sum(sent), sum(sent[n - 1] for n in wanted))


@given(st.binary(max_size=2000))
def test_what_is_framed_is_whole(inside: bytes) -> None:
    assert is_whole(framed("FIX.4.4", b"35=8\x01" + inside.replace(b"\x01", b"") + b"\x01"))


def test_a_pace_lets_as_many_go_as_time_has_passed() -> None:
    pace = Pace(10.0, burst=200)
    pace.allowed(100.0)
    pace.gone(200)
    assert pace.allowed(100.0) == 0
    assert 0 < pace.pause(100.0) <= 0.1
    assert pace.allowed(100.5) == 5
    assert pace.pause(100.5) == 0
    assert Pace(None, burst=200).allowed(0.0) == 200


def test_a_line_of_a_file_loses_what_the_session_writes_itself() -> None:
    assert prepared(b"8=FIX.4.4|9=1|49=A|56=B|34=1|52=x|11=c|35=D|55=IBM|10=000|\n") == b"35=D\x0111=c\x0155=IBM\x01"
