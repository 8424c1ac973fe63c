"""The listener over real TCP: everything reaches the journal once, in order, whatever the counterparty does."""

from __future__ import annotations

import os
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from listening import Listener, Peer, exec_ids, is_root, report
from waiting import free_port, until

from fix_ingest.dropcopy import DropCopySource, framed
from fix_ingest.wirebytes import is_whole

pytestmark = pytest.mark.line


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(tmp_path) as started:
        yield started


def source_for(listener: Listener, **options: object) -> DropCopySource:
    return DropCopySource("FIX.4.4", "ROUTER", "SORWATCH", "127.0.0.1", listener.port, **options)  # type: ignore[arg-type]  # options as the test names them


def logged_on(listener: Listener, number: int) -> Peer | None:
    """A new connection that is logged on; None while the listener still lets go of the one before."""
    peer = Peer(listener.port)
    try:
        peer.logon(number)
    except (AssertionError, OSError):
        peer.socket.close()
        return None
    return peer


def test_everything_sent_is_journaled_once_and_in_order(listener: Listener) -> None:
    with source_for(listener) as source:
        source.send(report(i) for i in range(2000))
        assert source.wait_confirmed(30)
        source.logout()
    assert until(lambda: "down" in listener.kinds())
    assert listener.stop() == 0
    assert exec_ids(listener.messages()) == list(range(2000))
    assert all(is_whole(r.body) for r in listener.records() if r.kind == "message")
    numbers = [r.n for r in listener.records()]
    assert numbers == sorted(set(numbers))


def test_initiator_session(tmp_path: Path) -> None:
    with (
        DropCopySource("FIX.4.4", "ROUTER", "SORWATCH", "127.0.0.1", 0, role="acceptor") as source,
        Listener(tmp_path, role="initiator", port=source.port, reconnect_seconds=1) as listener,
    ):
        source.send(report(i) for i in range(500))
        assert source.wait_confirmed(30)
        listener.kill()
        source.send(report(i) for i in range(500, 1000))
        listener.start()
        assert source.wait_confirmed(30)
        assert exec_ids(listener.messages()) == list(range(1000))


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_lost_or_doubled_when_killed_at_random(listener: Listener, seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - chooses when to kill, keeps no secret
    total = 8000
    with source_for(listener, rate=4000.0) as source:
        source.send(report(i) for i in range(total))
        for _ in range(4):
            written = len(listener.messages())
            wanted = min(total - 1, written + random_.randrange(50, 900))
            until(lambda wanted=wanted: len(listener.messages()) > wanted)
            listener.kill()
            listener.start()
        assert source.wait_confirmed(60)
    assert exec_ids(listener.messages()) == list(range(total))


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


def test_groups_foreign_tags_values_and_empty_fields_are_taken(listener: Listener) -> None:
    odd = [
        ["17=2", "453=2", "448=A", "447=D", "452=1", "448=B", "447=D", "452=3", "37=x"],
        ["17=3", "9730=compound", "20001=x", "150=?", "39=Zz", "54=banana", "37=x"],
        ["17=4", "58=", "37=x", "31=no price", "60=yesterday"],
        ["17=5", "37=x", "58=na\u00efve \u20ac"],
    ]
    with Peer(listener.port) as peer:
        peer.logon()
        sent = [peer.send("8", i, *fields) for i, fields in enumerate(odd, 2)]
        latin = framed(
            "FIX.4.4", b"35=8\x0149=ROUTER\x0156=SORWATCH\x0134=6\x0152=20261122-10:00:00\x0117=6\x0158=\xe9\x01"
        )
        peer.socket.sendall(latin)
        peer.confirm(7)
    assert listener.messages() == [*sent, latin]
    assert listener.metric("rejects_sent_total") == 0


def test_undeclared_type_is_refused_with_its_bytes_kept_and_a_declared_one_taken(tmp_path: Path) -> None:
    with Listener(tmp_path, session='message_types = ["U9"]') as listener, Peer(listener.port) as peer:
        peer.logon()
        taken = peer.send("U9", 2, "17=2", "20001=x")
        refused = peer.send("U8", 3, "17=3", "20001=x")
        reject = peer.expect(b"3")
        assert reject[b"45"] == b"3"
        peer.confirm(4)
        assert listener.messages(b"U9") == [taken]
        assert [r.body for r in listener.records() if r.kind == "refused"] == [refused]
        assert listener.metric("rejects_sent_total") == 1


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


def test_wrong_password_is_refused_told_and_changes_no_number(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("right-horse\n")
    with Listener(tmp_path, username="desk", password_file=str(secret)) as listener:
        good = ("553=desk", "554=right-horse")
        with Peer(listener.port) as peer:
            peer.logon(1, *good)
            peer.confirm(2)
        listener.wait_down()
        with Peer(listener.port) as peer:
            peer.send("A", 1, "98=0", "108=30", "141=Y", "553=desk", "554=wrong-horse")
            assert b"password" in peer.expect(b"5")[b"58"]
            assert peer.closed()
        with Peer(listener.port) as peer:
            peer.logon(3, *good)
            peer.send("8", 4, "17=4", "37=x")
            peer.confirm(5)
        assert listener.metric("logons_refused_total") == 1
        assert "password_file" in listener.log()
        assert exec_ids(listener.messages()) == [4]
        assert "reset" not in listener.kinds()
        assert "gap" not in listener.kinds()
        everything = listener.log().encode() + b"".join(r.body for r in listener.records())
        assert b"right-horse" not in everything
        assert b"wrong-horse" not in everything


def test_initiator_sends_its_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("right-horse")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        options = {"role": "initiator", "username": "desk", "password_file": str(tmp_path / "password")}
        with Listener(tmp_path, port=port, **options):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                assert b"\x01553=desk\x01554=right-horse\x01" in connection.recv(4096)


def test_strangers_are_counted_and_told(listener: Listener) -> None:
    with Peer(listener.port) as peer:
        raw = peer.wire("A", 1, "98=0", "108=30", "554=hush").replace(b"49=ROUTER", b"49=NOBODY")
        body = raw[raw.index(b"35=") : raw.index(b"10=")]
        peer.socket.sendall(framed("FIX.4.4", body))
        assert peer.closed()
    assert until(lambda: listener.metric("strangers_total")) == 1
    assert "NOBODY" in listener.log()
    assert "hush" not in listener.log()


@pytest.mark.parametrize(("begin", "version"), [("FIX.4.2", None), ("FIXT.1.1", "FIX.5.0SP2")])
def test_other_versions(tmp_path: Path, begin: str, version: str | None) -> None:
    extra = {} if version is None else {"default_appl_ver": version}
    with (
        Listener(tmp_path, begin_string=begin, **extra) as listener,
        DropCopySource(begin, "ROUTER", "SORWATCH", "127.0.0.1", listener.port, default_appl_ver=version) as source,
    ):
        source.send(report(i) for i in range(10))
        assert source.wait_confirmed(20)
        assert exec_ids(listener.messages()) == list(range(10))


def failing(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor", "listen", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = failing(Listener(tmp_path, port=port).config)
    assert done.returncode == 69
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_writer_is_a_clear_error(listener: Listener) -> None:
    other = listener.directory / "other.toml"
    other.write_text(listener.config.read_text().replace(str(listener.port), str(free_port())))
    done = failing(other)
    assert done.returncode == 69
    assert "another process writes the journal" in done.stderr


def test_missing_secret_and_missing_sessions_are_clear_errors(tmp_path: Path) -> None:
    done = failing(Listener(tmp_path, password_file="/nowhere/secret").config)
    assert done.returncode == 2
    assert "listen.session[0].password_file: /nowhere/secret" in done.stderr
    empty = tmp_path / "empty.toml"
    empty.write_text("[listen]\n")
    done = failing(empty)
    assert done.returncode == 2
    assert "no [[listen.session]]" in done.stderr


def test_only_the_named_address_is_listened_on(listener: Listener) -> None:
    outside = next((a for a in _own_addresses() if not a.startswith("127.")), None)
    if outside is None:
        pytest.skip("this machine has the loopback address only")
    with pytest.raises(OSError, match=r"refused|timed out"):
        socket.create_connection((outside, listener.port), timeout=5)


def _own_addresses() -> set[str]:
    return {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}


def _refused_then_complete(listener: Listener, make_room: object) -> None:
    """Send until the disk is full, see the session refuse, make room, and find everything."""
    assert callable(make_room)
    with source_for(listener, rate=2000.0) as source:
        source.send(report(i) for i in range(1500))
        until(lambda: listener.metric("disk_errors_total") > 0)
        before = len(listener.messages())
        assert before < 1500
        make_room()
        assert source.wait_confirmed(60)
    assert exec_ids(listener.messages()) == list(range(1500))
    assert "journal cannot be written" in listener.log()


def test_limited_file_size_refuses_instead_of_losing(listener: Listener) -> None:
    process = listener.process
    assert process is not None
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    _refused_then_complete(listener, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, no_limit))


def test_full_disk_refuses_instead_of_losing(tmp_path: Path) -> None:
    if not is_root():
        pytest.skip("needs root to mount a small file system")
    state = tmp_path / "state"
    state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(state)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        with Listener(tmp_path) as listener:
            filler = state / "filler"
            with filler.open("wb") as file:
                _fill(file, leave=200_000, path=state)
            _refused_then_complete(listener, filler.unlink)
            assert listener.stop() == 0
    finally:
        until(lambda: subprocess.run(["umount", str(state)], capture_output=True, check=False).returncode == 0)


def _fill(file: BinaryIO, leave: int, path: Path) -> None:
    room = os.statvfs(path)
    file.write(b"\0" * (room.f_bavail * room.f_frsize - leave))


def test_stalled_counterparty_does_not_stop_another(tmp_path: Path) -> None:
    second = '[[listen.session]]\nname = "two"\nsender = "SORWATCH"\ntarget = "OTHER"\nport = {port}\n'
    listener = Listener(tmp_path)
    listener.config.write_text(listener.config.read_text() + second.format(port=listener.port))
    with listener, Peer(listener.port) as silent:
        silent.logon()
        silent.socket.sendall(b"8=FIX.4.4\x019=500\x0135=8\x01")
        with DropCopySource("FIX.4.4", "OTHER", "SORWATCH", "127.0.0.1", listener.port) as source:
            source.send(report(i) for i in range(100))
            assert source.wait_confirmed(20)
    assert [r.session for r in listener.records() if r.kind == "up"] == ["sor", "two"]


def test_source_process_feeds_a_listener(listener: Listener, tmp_path: Path) -> None:
    lines = "\n".join(f"8=FIX.4.4|9=1|35=8|34=1|17={i}|37=x|10=000|" for i in range(20))
    (tmp_path / "messages.fix").write_text(lines)
    command = [sys.executable, "-m", "fix_ingest.dropcopy", "--port", str(listener.port)]
    done = subprocess.run(
        [*command, "--file", str(tmp_path / "messages.fix")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"sent": 20' in done.stdout
    assert exec_ids(listener.messages()) == list(range(20))
