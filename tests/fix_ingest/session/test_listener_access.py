"""Who may connect to the listener, where it listens, and what it says when it cannot start."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.demo.dropcopy import framed
from tests.fix_ingest.session.listening import Listener, Peer, exec_ids
from tests.waiting import free_port, until

pytestmark = pytest.mark.line


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
