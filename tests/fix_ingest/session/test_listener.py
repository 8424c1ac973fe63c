"""The listener over real TCP: everything reaches the journal once, in order, whatever the counterparty does."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from fix_ingest.session.raw_fields import is_whole
from monitor.demo.dropcopy import DropCopySource, framed
from tests.fix_ingest.session.listening import Listener, Peer, exec_ids, report, source_for
from tests.waiting import free_port, until

pytestmark = pytest.mark.line


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


def test_a_counterparty_that_is_not_there_is_named(tmp_path: Path) -> None:
    port = free_port()
    with Listener(tmp_path, role="initiator", port=port, reconnect_seconds=1) as listener:
        until(lambda: f'"counterparty": "127.0.0.1:{port}"' in listener.log())
        assert "session down" not in listener.log()
        assert listener.records() == []


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
    command = [sys.executable, "-m", "monitor.demo.dropcopy", "--port", str(listener.port)]
    done = subprocess.run(
        [*command, "--file", str(tmp_path / "messages.fix")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"sent": 20' in done.stdout
    assert exec_ids(listener.messages()) == list(range(20))
