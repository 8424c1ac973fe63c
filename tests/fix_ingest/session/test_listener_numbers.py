"""Sequence numbers over real TCP: gaps, repeats, resets and garbled messages lose and double nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix_ingest.session.listening import Listener, Peer, exec_ids, logged_on
from tests.waiting import until

pytestmark = pytest.mark.line


def test_gap_is_asked_for_and_journaled_in_order(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("8", 2, "17=2", "37=x")
        peer.send("8", 5, "17=5", "37=x")
        peer.send("8", 6, "17=6", "37=x")
        assert peer.expect(b"2")[b"7"] == b"3"
        peer.again("8", 3, "17=3", "37=x")
        peer.again("8", 4, "17=4", "37=x")
        peer.confirm(7)
    assert exec_ids(listener.messages()) == [2, 3, 4, 5, 6]
    notes = [(r.kind, r.body) for r in listener.records() if r.kind in ("gap", "gap_filled")]
    assert notes == [("gap", b"3-4"), ("gap_filled", b"3-4")]
    assert listener.metric("gaps_total") == 1
    assert listener.metric("rebuilt_total") == 0


def test_gap_filled_by_session_messages_only(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon(4)
        assert peer.expect(b"2")[b"7"] == b"1"
        peer.again("4", 1, "123=Y", "36=4")
        peer.confirm(5)
    assert [(r.kind, r.body) for r in listener.records() if "gap" in r.kind] == [
        ("gap", b"1-3"),
        ("gap_filled", b"1-3"),
    ]


def test_possible_duplicate_is_not_taken_twice(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("8", 2, "17=2", "37=x")
        peer.again("8", 2, "17=2", "37=x")
        peer.confirm(3)
    assert exec_ids(listener.messages()) == [2]
    assert listener.metric("duplicates_total") == 1


def test_number_too_low_without_the_flag_ends_the_session_and_is_kept_as_evidence(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("8", 2, "17=2", "37=x")
        low = peer.send("8", 2, "17=3", "37=x")
        assert b"too low" in peer.expect(b"5")[b"58"]
    assert until(lambda: [r.body for r in listener.records() if r.kind == "refused"]) == [low]
    assert exec_ids(listener.messages()) == [2]


def test_reset_by_logon_is_told_and_the_numbers_begin_again(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("8", 2, "17=2", "37=x")
        peer.confirm(3)
    listener.wait_down()
    with Peer(listener.port) as peer:
        peer.logon(1, "141=Y")
        peer.send("8", 2, "17=12", "37=x")
        peer.confirm(3)
        listener.kill()
    listener.start()
    with Peer(listener.port) as peer:
        peer.logon(4)
        peer.send("8", 5, "17=15", "37=x")
        peer.confirm(6)
    assert exec_ids(listener.messages()) == [2, 12, 15]
    assert listener.kinds().count("reset") == 1
    assert "gap" not in listener.kinds()


def test_sequence_reset_forward_is_told(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("4", 2, "123=N", "36=10")
        peer.send("8", 10, "17=10", "37=x")
        peer.confirm(11)
    assert [r.body for r in listener.records() if r.kind == "reset"] == [b"sequence reset from 2 to 10"]
    assert exec_ids(listener.messages()) == [10]


def test_garbled_message_is_kept_as_evidence_and_asked_for_again(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        bad = peer.wire("8", 2, "17=2", "37=x")[:-4] + b"000\x01"
        peer.socket.sendall(bad)
        peer.send("8", 3, "17=3", "37=x")
        assert peer.expect(b"2")[b"7"] == b"2"
        peer.again("8", 2, "17=2", "37=x")
        peer.again("8", 3, "17=3", "37=x")
        peer.confirm(4)
    assert exec_ids(listener.messages()) == [2, 3]
    assert [r.body for r in listener.records() if r.kind == "refused"] == [bad]
    assert listener.metric("garbled_total") == 1


def test_gap_whose_resend_is_garbled_is_asked_for_at_a_new_logon(tmp_path: Path) -> None:
    with Listener(tmp_path, gap_seconds=1) as listener:
        with Peer(listener.port) as peer:
            peer.logon()
            peer.send("8", 4, "17=4", "37=x")
            assert peer.expect(b"2")[b"7"] == b"2"
            peer.socket.sendall(peer.wire("8", 2, "43=Y", "122=20261122-10:00:00", "17=2")[:-4] + b"000\x01")
            peer.again("8", 3, "17=3", "37=x")
            number = 5

            def ended() -> bool:
                nonlocal number
                if listener.kinds().count("down"):
                    return True
                try:
                    peer.send("0", number)
                except OSError:
                    return False
                number += 1
                return False

            until(ended)
        with until(lambda: logged_on(listener, number)) as peer:
            assert peer.expect(b"2")[b"7"] == b"2"
            for i in (2, 3, 4):
                peer.again("8", i, f"17={i}", "37=x")
            peer.again("4", 5, "123=Y", f"36={number + 1}")
            peer.confirm(number + 1)
        assert exec_ids(listener.messages()) == [2, 3, 4]
        assert "gap does not fill" in listener.log()


def test_logout_over_a_gap_loses_nothing(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        peer.logon()
        peer.send("5", 4)
        assert peer.closed()
    listener.wait_down()
    with Peer(listener.port) as peer:
        peer.logon(5)
        assert peer.expect(b"2")[b"7"] == b"2"
        peer.again("8", 2, "17=2", "37=x")
        peer.again("8", 3, "17=3", "37=x")
        peer.again("4", 4, "123=Y", "36=6")
        peer.confirm(6)
    assert exec_ids(listener.messages()) == [2, 3]


NOT_MEANT = ("9" * 18, str(2**63 - 1), str(2**64 - 1), str(2**64), "9" * 25, "9" * 5000, "abc", "-5", "1.5", "٣", "")


@pytest.mark.parametrize("begin", ["FIX.4.0", "FIX.4.2", "FIX.4.4"])
def test_numbers_no_counterparty_means_end_no_listener(tmp_path: Path, begin: str) -> None:
    """Whatever becomes of the session, its numbers begin again at the next logon with 141=Y, and it goes on."""
    with Listener(tmp_path, begin_string=begin) as listener:
        for number in NOT_MEANT:
            for kind, seq, *fields in _with(number):
                _anew(listener, begin).closing_with(kind, seq, *fields)
        with _anew(listener, begin) as peer:
            peer.send("8", 2, "17=2", "37=x")
            peer.confirm(3)
        assert exec_ids(listener.messages())[-1] == 2
        assert listener.process is not None
        assert listener.process.poll() is None, listener.log()


def _with(number: str) -> list[tuple[str, ...]]:
    """Messages with such a number, each from its type and MsgSeqNum on."""
    return [
        ("4", "2", f"36={number}"),
        ("4", "2", "123=Y", f"36={number}"),
        ("8", number, "17=1", "37=x"),
        ("1", number, "112=x"),
        ("2", "2", f"7={number}", "16=0"),
        ("5", number),
        ("A", number, "98=0", "108=30"),
        ("A", "2", "98=0", f"108={number}"),
    ]


def _anew(listener: Listener, begin: str) -> Peer:
    peer = until(lambda: logged_on(listener, 1, "141=Y", begin_string=begin))
    assert peer is not None
    return peer
