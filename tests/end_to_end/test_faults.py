"""Every kind of bad input and fault on one real line, and what the person on call sees of each.

The line is `sorwatch run` as a process. Things happen in the order of the fixture `line`; the tests ask about them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from fix_ingest.journal import read_all
from monitor.demo.receiver import Receiver
from monitor.kafka.embedded.broker import Broker
from monitor.wire import codec, events
from tests.end_to_end.scenario import SECRETS, Stage, fill, now, order, report
from tests.fix_ingest.session.listening import Peer
from tests.waiting import free_port, until

pytestmark = pytest.mark.line

UNREADABLE = ("reports", "nbbo", "findings", "executions", "line")
NEED_KAFKA = {"publish", "quotes"}
"""Those that cannot do their work without Kafka and say so; watch and alert wait for it."""
AWAY_S = 60.0


class Seen:
    """What was to be seen of each fault when it was there, and what was left at the end."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.at_first = ""
        self.disk_was_filled = False
        self.not_well_while_away: set[str] = set()
        self.well_after_it: set[str] = set()
        self.executions: dict[str, events.Execution] = {}
        self.reports: list[events.ReportLine] = []
        self.counts: dict[str, int] = {}
        self.metrics: dict[str, str] = {}
        self.pages = ""
        self.logs = ""
        self.exit_code: int | None = None
        self.stopped_in_s = 0.0


class Teller:
    """The counterparty's side: numbers its messages."""

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer, self.number = peer, number

    def send(self, kind: str, *fields: str) -> None:
        self.peer.send(kind, self.number, *fields)
        self.number += 1

    def confirm(self) -> None:
        self.peer.confirm(self.number)
        self.number += 1


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("faults")
    port = free_port()
    with Receiver(login=("somebody", "else")) as receiver:
        stage = Stage(directory, port, receiver)
        seen = Seen(stage)
        mounted = small_disk(stage.state / "journal")
        broker = Broker(directory / "broker", port)
        try:
            stage.start()
            play(seen, broker, mounted)
            yield seen
        finally:
            stage.close()
            broker.stop()
            if mounted:
                subprocess.run(["umount", str(stage.state / "journal")], check=True)


def small_disk(place: Path) -> bool:
    """Whether a file system of a megabyte could be mounted for the journal."""
    place.mkdir(parents=True, mode=0o700)
    if os.geteuid() != 0:
        return False
    words = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def play(seen: Seen, broker: Broker, mounted: bool) -> None:
    stage = seen.stage
    teller = before_kafka_is_there(seen)
    broker.start()
    until(lambda: all(stage.get(name, "/healthz") for name in ("publish", "quotes", "watch", "alert")), why=stage.logs)
    quotes(stage)
    bad_fix(teller)
    stories(teller)
    unreadable_messages(stage)
    wait_for(stage, "GOOD", "STRANGE", "ALIEN", "BUSTED", "EARLIER", "CROSSED", "ZERO", "UNQUOTED", "AFTER-GARBLE")
    if mounted:
        full_disk(seen, teller)
    broker_away(seen, broker, teller)
    wait_for(stage, "WHILE-AWAY", *(["FULL"] if mounted else []))
    remember(seen)
    began = time.monotonic()
    seen.exit_code = stage.stop()
    seen.stopped_in_s = time.monotonic() - began
    seen.logs = stage.logs()


def wait_for(stage: Stage, *exec_ids: str) -> None:
    until(lambda: set(exec_ids) <= stage.executions().keys(), why=lambda: f"{stage.executions().keys()} {stage.logs()}")


def before_kafka_is_there(seen: Seen) -> Teller:
    """The drop copy is taken down all the same; a wrong password is refused."""
    stage = seen.stage
    assert stage.logon(password="wrong").closed()
    until(lambda: stage.metric("listen", "sorwatch_listen_logons_refused_total") == 1)
    teller = Teller(stage.logon(), 2)
    teller.peer.expect(b"A")
    teller.send("D", *order("EARLY", "IBM"))
    teller.send("8", *fill("EARLY", "EARLY", "IBM"))
    teller.confirm()
    until(lambda: any(e["event"] == "waiting for Kafka" for e in stage.events()), why=stage.said)
    seen.at_first = stage.said()
    return teller


def quotes(stage: Stage) -> None:
    at = time.time_ns()
    stage.feed(
        {"symbol": "IBM", "bid": "10.04", "ask": "10.06"},
        {"symbol": "NOBODYS", "bid": "1", "ask": "2"},
        {"symbol": "XED", "bid": "10.10", "ask": "10.00"},
        {"symbol": "NIL", "bid": "0", "ask": "0"},
        b"this is no quote\n",
        {"symbol": "IBM", "bid": "10.04", "ask": "10.06", "time": at + 40_000_000},
        {"symbol": "OVER", "bid": "10.04", "ask": "10.06", "time": at + 20_000_000},
    )
    until(lambda: stage.metric("quotes", "sorwatch_quotes_rows_total") >= 6)
    until(lambda: time.time_ns() > at + 100_000_000)


def bad_fix(teller: Teller) -> None:
    """Bytes that are no message, a type and tags nobody knows, a repeating group."""
    raw = teller.peer.wire("8", teller.number, *fill("GARBLED", "A", "IBM"))
    teller.peer.socket.sendall(raw[:-4] + b"999\x01")
    teller.send("D", *order("AFTER", "IBM"))
    teller.send("8", *fill("AFTER-GARBLE", "AFTER", "IBM"))
    teller.send("U7", "11=WHAT", "9991=odd")
    parties = ("453=2", "448=A", "447=D", "452=1", "448=B", "447=D", "452=12")
    teller.send("D", *order("S", "IBM"))
    teller.send("8", *fill("STRANGE", "S", "IBM", "9999=x", "20001=y", *parties))
    teller.send("8", "37=O", "11=S", "17=PRICELESS", "150=F", "39=2", "55=IBM", "54=1", "32=x", "31=y", f"60={now()}")


def stories(teller: Teller) -> None:
    """Orders told in every wrong way."""
    teller.send("D", *order("G", "IBM"))
    teller.send("D", *order("G.1", "IBM", "1080=G", "100=XNYS"))
    teller.send("8", *fill("GOOD", "G.1", "IBM"))
    teller.send("8", *report("0", "ACK", "G.1", "IBM"))
    teller.send("8", *fill("GOOD", "G.1", "IBM"))
    teller.send("8", *fill("ALIEN", "NEVER-SEEN", "IBM"))
    teller.send("D", *order("B", "IBM"))
    teller.send("8", *report("H", "BUST", "B", "IBM", "19=BUSTED", "32=100", "31=10.05"))
    teller.send("8", *fill("BUSTED", "B", "IBM"))
    teller.send("8", *report("H", "BUST2", "B", "IBM", "19=NEVER-FILLED"))
    for exec_id, symbol in (("CROSSED", "XED"), ("ZERO", "NIL"), ("UNQUOTED", "NONE")):
        teller.send("D", *order(f"O{exec_id}", symbol))
        teller.send("8", *fill(exec_id, f"O{exec_id}", symbol))
    teller.send("D", *order("D", "IBM"))
    teller.send("8", *fill("DEAR", "D", "IBM", price="10.50"))
    teller.send("8", *fill("EARLIER", "LATE", "IBM"))
    teller.send("D", *order("LATE", "IBM"))
    teller.confirm()


def unreadable_messages(stage: Stage) -> None:
    producer = KafkaProducer(bootstrap_servers=list(stage.settings.kafka.servers))
    for topic in UNREADABLE:
        for value in (b"\xff\x00 no such thing", b"[]"):
            producer.send(codec.topic(stage.settings.kafka.prefix, topic), value, partition=0).get(20)
    producer.close()


def full_disk(seen: Seen, teller: Teller) -> None:
    """Nothing more can be written to the journal; then there is room again, and the message comes again."""
    stage = seen.stage
    filler = stage.state / "journal" / "filler"
    try:
        with filler.open("wb", buffering=0) as out:
            while True:
                out.write(b"\0" * 512)
    except OSError:
        seen.disk_was_filled = True
    refused = fill_up(stage, teller)
    filler.unlink()
    teller.peer.socket.close()
    teller.number = refused
    teller.peer = reconnected(stage, refused + 50)
    asked = teller.peer.expect(b"2")
    assert int(asked[b"7"]) == refused
    teller.peer.again("D", refused, *order("F", "IBM"))
    teller.peer.again("8", refused + 1, *fill("FULL", "F", "IBM"))
    teller.peer.send("4", refused + 2, "43=Y", f"122={now()}", "123=Y", f"36={refused + 51}")
    teller.number = refused + 51
    teller.confirm()


def fill_up(stage: Stage, teller: Teller) -> int:
    """Send until one is refused (what is left of the last page takes some); answers its number."""
    for number in range(teller.number, teller.number + 100):
        more = fill(f"FILLING{number}", f"FILLER{number}", "IBM", "58=" + "x" * 900)
        if not taken(stage, teller.peer.send("8", number, *more)):
            return number
    raise AssertionError("the disk is never full")


def taken(stage: Stage, raw: bytes) -> bool:
    """Whether a message went into the journal, once that is decided."""
    until(lambda: settled(stage, raw), why=stage.logs)
    return stage.metric("listen", "sorwatch_listen_disk_errors_total") == 0


def settled(stage: Stage, raw: bytes) -> bool:
    if stage.metric("listen", "sorwatch_listen_disk_errors_total") > 0:
        return True
    return any(record.body == raw for record in read_all(stage.state / "journal"))


def reconnected(stage: Stage, number: int) -> Peer:
    """A new connection, once the listener has let go of the last."""
    peers: list[Peer] = []

    def logged_on() -> bool:
        peers.append(stage.logon(number))
        try:
            peers[-1].expect(b"A")
        except (AssertionError, OSError):
            peers[-1].socket.close()
            return False
        return True

    until(logged_on, why=stage.logs)
    return peers[-1]


def broker_away(seen: Seen, broker: Broker, teller: Teller) -> None:
    """Kafka is gone for a minute, and longer until everybody concerned has said so."""
    stage = seen.stage
    broker.kill()
    back_at = time.monotonic() + AWAY_S
    teller.send("D", *order("W", "IBM"))
    teller.send("8", *fill("WHILE-AWAY", "W", "IBM"))
    teller.confirm()
    until(lambda: told_last(stage, "unhealthy") >= NEED_KAFKA, why=stage.logs)
    seen.not_well_while_away = told_last(stage, "unhealthy")
    until(lambda: time.monotonic() > back_at, seconds=AWAY_S + 30)
    broker.start()
    until(lambda: told_last(stage, "healthy again") >= NEED_KAFKA, why=stage.logs)
    until(lambda: all(stage.get(name, "/healthz") for name in ("publish", "quotes", "watch")), why=stage.logs)
    seen.well_after_it = told_last(stage, "healthy again")


def told_last(stage: Stage, what: str) -> set[str]:
    """The children of whom the supervisor said this last."""
    last = {e["child"]: e["event"] for e in stage.events() if e["event"] in ("unhealthy", "healthy again")}
    return {child for child, event in last.items() if event == what}


def remember(seen: Seen) -> None:
    stage = seen.stage
    until(lambda: stage.metric("alert", "sorwatch_notice_attempts_total") >= 2, why=stage.logs)
    until(lambda: stage.metric("alert", "sorwatch_unreadable_messages_total") >= 6, why=stage.logs)
    seen.executions, seen.reports = stage.executions(), stage.reports()
    for name in ("listen", "publish", "quotes", "watch", "alert"):
        seen.metrics[name] = stage.get(name, "/metrics") or ""
    seen.pages = "".join(stage.get("alert", path) or "" for path in ("/", "/api/findings.json", "/api/health.json"))


def counted(line: Seen, name: str, metric: str, *labels: str) -> float:
    samples = [sample.rsplit(" ", 1) for sample in line.metrics[name].splitlines()]
    return sum(
        float(value) for head, value in samples if head.split("{")[0] == metric and all(x in head for x in labels)
    )


def watch_count(line: Seen, what: str) -> float:
    return counted(line, "watch", "sorwatch_watch_count", f'what="{what}"')


def test_nothing_died_and_everything_stopped_clean(line: Seen) -> None:
    said = line.stage.events()
    assert [e for e in said if e["event"].endswith((", starting it again", ", killing it", ", restarting it"))] == []
    assert line.exit_code == 0
    assert line.stopped_in_s < 30
    assert "Traceback" not in line.logs


def test_the_drop_copy_is_taken_down_before_kafka_is_there(line: Seen) -> None:
    assert line.executions["EARLY"].quote_state == "none"
    waiting = next(e for e in line.stage.events() if e["event"] == "waiting for Kafka")
    assert "kafka.bootstrap" in waiting["why"]


def test_a_wrong_password_of_the_counterparty_is_refused_and_told(line: Seen) -> None:
    refused = [json.loads(t) for t in line.logs.splitlines() if '"logon refused"' in t]
    assert refused
    assert counted(line, "listen", "sorwatch_listen_logons_refused_total") == 1


def test_garbled_fix_is_kept_named_and_counted(line: Seen) -> None:
    garbled = [r for r in line.reports if isinstance(r, events.Garbled)]
    assert any("GARBLED" in r.raw for r in garbled)
    assert any("PRICELESS" in r.raw for r in garbled)
    assert counted(line, "listen", "sorwatch_listen_garbled_total") >= 1
    assert watch_count(line, "garbled") >= 2
    assert line.executions["AFTER-GARBLE"].quote_state == "ok"


def test_unknown_types_are_kept_and_unknown_tags_and_groups_disturb_nothing(line: Seen) -> None:
    assert any("9991=odd" in (getattr(r, "raw", None) or "") for r in line.reports)
    assert line.executions["STRANGE"].quote_state == "ok"


def test_repeats_and_disorder_count_once_and_wait_for_each_other(line: Seen) -> None:
    good = [r for r in line.reports if isinstance(r, events.Filled) and r.exec_id == "GOOD"]
    assert len({r.n for r in good}) == 2
    assert line.executions["GOOD"].order_id == "G"
    assert watch_count(line, "duplicates") >= 1
    assert line.executions["EARLIER"].state == "live"


def test_fills_of_unknown_orders_and_busts_before_their_fills(line: Seen) -> None:
    assert line.executions["ALIEN"].receipt_at is None
    assert watch_count(line, "unlinked") >= 1
    assert line.executions["BUSTED"].state == "busted"
    assert watch_count(line, "unknown_busts") >= 1


def test_quotes_of_every_kind(line: Seen) -> None:
    states = {e: line.executions[e].quote_state for e in ("GOOD", "CROSSED", "ZERO", "UNQUOTED")}
    assert states == {"GOOD": "ok", "CROSSED": "crossed", "ZERO": "one_sided", "UNQUOTED": "none"}
    assert counted(line, "quotes", "sorwatch_quotes_unreadable_total") == 1


def test_messages_that_cannot_be_read_are_put_aside_and_counted(line: Seen) -> None:
    for topic in ("reports", "nbbo"):
        assert counted(line, "watch", "sorwatch_watch_dead_letters_total", f'topic="{topic}"') == 2
    for topic in ("findings", "executions", "line"):
        assert counted(line, "alert", "sorwatch_unreadable_messages_total", f'topic="{topic}"') == 2


def test_a_full_disk_refuses_and_loses_nothing(line: Seen) -> None:
    if not line.disk_was_filled:
        pytest.skip("needs root to mount a small file system")
    assert line.executions["FULL"].state == "live"
    assert counted(line, "listen", "sorwatch_listen_disk_errors_total") >= 1
    assert '"journal cannot be written' in line.logs or "No space left" in line.logs


def test_a_broker_away_is_told_waited_for_and_nothing_is_lost(line: Seen) -> None:
    assert line.not_well_while_away >= NEED_KAFKA
    assert line.executions["WHILE-AWAY"].state == "live"
    assert line.well_after_it >= NEED_KAFKA


def test_channels_that_refuse_are_counted_and_shown(line: Seen) -> None:
    for channel in ("slack", "mail"):
        assert counted(line, "alert", "sorwatch_notice_attempts_total", f'channel="{channel}"') >= 1
    assert "no_service" in line.pages


@pytest.mark.parametrize("secret", SECRETS.values())
def test_secrets_are_told_nowhere(line: Seen, secret: str) -> None:
    assert secret not in line.logs
    assert secret not in line.pages
    assert not any(secret in text for text in line.metrics.values())
    assert not any(secret in (getattr(r, "raw", None) or "") for r in line.reports)
