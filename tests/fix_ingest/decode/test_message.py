from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fix_ingest.decode.message import Broken, Message, checksum, parse
from tests.fix_ingest.decode.messages import frame

FILL = frame("35=8|34=2|11=C1|17=E1|150=F|31=10.5|32=100|55=IBM|58=a=b|")


def parsed(body: bytes, framed: bool = True) -> Message:
    message = parse(body, framed)
    assert isinstance(message, Message), message
    return message


def reason(body: bytes) -> str:
    broken = parse(body)
    assert isinstance(broken, Broken), broken
    return broken.reason


def test_fields_are_kept_in_order_and_values_may_hold_an_equals_sign() -> None:
    message = parsed(FILL)
    assert [tag for tag, _ in message.pairs] == ["8", "9", "35", "34", "11", "17", "150", "31", "32", "55", "58", "10"]
    assert message.get("58") == "a=b"
    assert message.odd == ()


def test_an_empty_value_is_absent() -> None:
    message = parsed(frame("35=8|30=|"))
    assert message.get("30") is None
    assert message.top["30"] == ""


def test_what_is_wrong_with_the_frame_is_said() -> None:
    assert "BeginString" in reason(b"9=50\x0135=0\x0149=S\x0110=000\x01")
    assert "BeginString" in reason(b"")
    assert "BodyLength" in reason(b"8=FIX.4.4\x0135=0\x01")
    assert "MsgType" in reason(b"8=FIX.4.4\x019=5\x0149=S\x0110=000\x01")
    assert "end with CheckSum" in reason(b"8=FIX.4.4\x019=5\x0135=0\x01")
    assert "CheckSum(10) says" in reason(FILL[:-4] + b"999"[:3] + b"\x01")
    assert "BodyLength(9) says" in reason(FILL.replace(b"9=", b"9=1", 1))


def test_a_message_out_of_a_log_needs_no_frame() -> None:
    assert parsed(b"35=8\x0111=C1", framed=False).get("11") == "C1"
    assert parsed(FILL[:-5], framed=False).get("55") == "IBM"


def test_a_field_inside_a_group_does_not_pass_for_one_of_the_message() -> None:
    message = parsed(frame("35=8|11=C1|382=2|375=XYZ|437=50|337=T1|375=ABC|437=60|337=T2|32=110|453=1|448=P|447=D|"))
    assert message.get("375") is None
    assert message.get("448") is None
    assert message.get("382") == "2"
    assert message.get("32") == "110"
    assert ("375", "ABC") in message.pairs


def test_the_fields_of_an_order_list_are_not_those_of_an_order() -> None:
    message = parsed(frame("35=E|66=L1|68=2|73=2|11=A|67=1|55=IBM|54=1|11=B|67=2|55=GE|54=2|58=done|"))
    assert message.get("11") is None
    assert message.get("66") == "L1"


def test_of_a_repeated_field_outside_groups_the_first_counts() -> None:
    assert parsed(frame("35=8|55=IBM|55=GE|")).get("55") == "IBM"


def test_a_group_of_nothing_hides_nothing() -> None:
    assert parsed(frame("35=8|453=0|448=P|")).get("448") == "P"


def test_data_may_hold_separators_and_look_like_fields() -> None:
    message = parsed(frame("35=B|95=11|96=a|11=FAKE|b|11=TRUE|"))
    assert message.get("96") == "a\x0111=FAKE\x01b"
    assert message.get("11") == "TRUE"


def test_a_wrong_data_length_is_not_believed() -> None:
    message = parsed(frame("35=B|95=4000|96=abc|11=C1|"))
    assert message.get("96") == "abc"
    assert message.get("11") == "C1"


def test_strange_fields_are_kept_aside() -> None:
    message = parsed(frame("35=8|q60=1|nonsense| 50=AB|39 =4|=x|"))
    assert message.odd == ("q60=1", "nonsense", "=x")
    assert message.get("50") == "AB"
    assert message.get("39") == "4"


def test_bytes_that_are_not_utf8_are_read_as_latin1() -> None:
    body = b"35=8\x0158=caf\xe9\x01"
    head = b"8=FIX.4.4\x019=%d\x01" % len(body)
    assert parsed(head + body + b"10=%03d\x01" % checksum(head + body)).get("58") == "café"
    assert parsed(frame("35=8|58=café|")).get("58") == "café"


@given(st.binary(max_size=2000) | st.integers(0, 2000).map(lambda size: b"\x7f" * size))
def test_the_checksum_is_the_sum_of_the_bytes(body: bytes) -> None:
    assert checksum(body) == sum(body) % 256


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_make_it_raise(body: bytes, framed: bool) -> None:
    assert isinstance(parse(body, framed), Message | Broken)


fields = st.lists(
    st.tuples(st.integers(11, 80).map(str), st.text(st.characters(codec="ascii", exclude_characters="\x01|"))),
    max_size=20,
)


@given(fields)
def test_every_field_comes_back_in_order(sent: list[tuple[str, str]]) -> None:
    message = parsed(frame("35=8|" + "".join(f"{tag}={value}|" for tag, value in sent)))
    assert list(message.pairs[3:-1]) == sent


@given(st.integers(0, len(FILL) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed(at: int, change: int) -> None:
    changed = bytearray(FILL)
    changed[at] ^= change
    assert isinstance(parse(bytes(changed)), Broken)
