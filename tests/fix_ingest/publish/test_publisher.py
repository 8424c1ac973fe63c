"""``sorwatch publish`` as a process: from a journal to a real Kafka, killed at random, with the broker away."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from fix_ingest.journal import Journal, segment_path, segments
from fix_ingest.publish.position import Saved
from monitor.config import settings
from monitor.kafka import readback, topics
from monitor.kafka.embedded.broker import Broker
from monitor.process.leash import leashed
from monitor.wire import codec
from monitor.wire.events import Ended, Received, ReportLine, SessionUp, Tick
from monitor.worker.deduplicator import Deduplicator, envelope_of
from tests.fix_ingest.publish import orders
from tests.waiting import free_port, until

pytestmark = pytest.mark.line


class Line:
    """A state directory with a journal, its settings file and the command that publishes it."""

    def __init__(
        self, directory: Path, kafka: settings.Kafka, clock: str = "wall", in_flight: int = 32 << 20, more: str = ""
    ) -> None:
        self.state = directory / "state"
        self.kafka = kafka
        self.probe = f"127.0.0.1:{free_port()}"
        self.config = directory / "sorwatch.toml"
        self.config.write_text(
            f'state = "{self.state}"\n'
            f'[kafka]\nbootstrap = ["{kafka.bootstrap[0]}"]\nprefix = "{kafka.prefix}"\n'
            f'[publish]\nclock = "{clock}"\nprobe = "{self.probe}"\nin_flight_bytes = {in_flight}\n{more}'
        )
        self.command = [sys.executable, "-m", "monitor", "publish", "--config", str(self.config)]
        self.journal = Journal(self.state / "journal", segment_bytes=200_000)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(leashed(self.command), stderr=subprocess.DEVNULL)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start()
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def saved(self) -> Saved | None:
        path = self.state / "publish" / "position"
        return msgspec.msgpack.decode(path.read_bytes(), type=Saved) if path.exists() else None

    def published(self) -> int:
        saved = self.saved()
        return 0 if saved is None else saved.position.n

    def read(self) -> tuple[list[list[ReportLine]], int]:
        """What a reader that drops repeats has of each partition, ticks included, and how many holes it met."""
        doors = [Deduplicator() for _ in range(self.kafka.partitions)]
        got: list[list[ReportLine]] = [[] for _ in doors]
        for message in readback.read(self.kafka, "reports"):
            said = envelope_of(message.headers.items())
            got[message.partition] += doors[message.partition].admit(said, codec.decode_reports(message.value))
        return got, sum(door.holes for door in doors)

    def health(self) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(f"http://{self.probe}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://{self.probe}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.split()[0] == name))


@pytest.fixture
def line(tmp_path: Path, kafka: settings.Kafka) -> Iterator[Line]:
    made = Line(tmp_path, kafka)
    yield made
    made.journal.close()


def assert_every_order_once(line: Line, last: int) -> list[list[ReportLine]]:
    got, holes = line.read()
    assert holes == 0
    for partition, events in enumerate(got):
        numbers = [e.n for e in events if isinstance(e, Received)]
        assert numbers == [n for n in range(1, last + 1) if codec.partition_of(symbol(n), 4) == partition]
        assert_ticks_promise_what_they_keep(events)
    return got


def assert_ticks_promise_what_they_keep(events: list[ReportLine]) -> None:
    """Between a tick and everything before it no record was left out, and nothing older comes after it."""
    read = 0
    for event in events:
        if isinstance(event, Tick):
            read = max(read, event.n)
        elif isinstance(event, Received):
            assert event.n > read


def symbol(n: int) -> str:
    return orders.SYMBOLS[n % len(orders.SYMBOLS)]


def test_killed_at_random_it_loses_and_doubles_nothing(line: Line) -> None:
    chosen = random.Random(3)  # noqa: S311 - test data
    last, rounds = 0, 8
    for _ in range(rounds):
        process = line.start()
        upto = last + chosen.randint(200, 4000)
        orders.write(line.journal, last + 1, (last + upto) // 2)
        # any instant will do, from before the first message to after the last
        deadline = time.monotonic() + chosen.uniform(0.3, 1.6)
        orders.write(line.journal, (last + upto) // 2 + 1, upto)
        until(lambda at=deadline: time.monotonic() > at)
        process.send_signal(signal.SIGKILL)
        process.wait()
        last = upto
    with line.running():
        until(lambda: line.published() == last)
        until(lambda: ticked_after(line, last))
    got = assert_every_order_once(line, last)
    ticks = [e for e in got[0] if isinstance(e, Tick)]
    assert ticks[-1].n == last
    assert ticks[-1].source == "dropcopy"


def ticked_after(line: Line, n: int) -> bool:
    got, _ = line.read()
    return all(any(isinstance(e, Tick) and e.n >= n for e in events) for events in got)


def test_it_stops_clean_and_goes_on_where_it_was(line: Line) -> None:
    orders.write(line.journal, 1, 3000)
    for last in (3000, 3001):
        process = line.start()
        until(lambda process=process, last=last: line.published() == last or process.poll() is not None)
        process.terminate()
        assert process.wait(20) == 0
        orders.write(line.journal, last + 1, last + 1)
    messages = list(readback.read(line.kafka, "reports"))
    lines = [e for m in messages for e in codec.decode_reports(m.value) if isinstance(e, Received)]
    assert len(lines) == 3001


def test_what_is_published_is_pruned_and_a_killed_one_still_goes_on(tmp_path: Path, kafka: settings.Kafka) -> None:
    line = Line(tmp_path, kafka, more="journal_kept_bytes = 1\n")
    journal = line.state / "journal"
    orders.write(line.journal, 1, 3000)
    with line.running():
        until(lambda: line.published() == 3000)
    began_with = len(segments(journal))
    assert began_with > 1
    orders.write(line.journal, 3001, 6000)
    saved = line.saved()
    assert saved is not None
    kept = [s for s in segments(journal) if s >= saved.position.segment]
    with line.running():
        # what it finds published at its start goes at once; what it publishes itself waits for the next look
        until(lambda: segments(journal)[0] == kept[0])
        until(lambda: line.published() == 6000)
        assert line.metric("sorwatch_publish_pruned_segments_total") >= began_with - 1
        assert line.metric("sorwatch_publish_pruned_bytes_total") > 0
        assert line.metric("sorwatch_publish_journal_bytes") == sum(
            segment_path(journal, s).stat().st_size for s in kept
        )
    assert segments(journal) == kept
    with line.running():
        until(lambda: len(segments(journal)) == 1)
        orders.write(line.journal, 6001, 6100)
        until(lambda: line.published() == 6100)
    assert_every_order_once(line, 6100)
    line.journal.close()


def test_history_is_told_by_its_own_time_and_has_an_end(tmp_path: Path, kafka: settings.Kafka) -> None:
    line = Line(tmp_path, kafka, clock="events")
    line.journal.append("one", "up", b"logged on", orders.BEGAN)
    orders.write(line.journal, 1, 500)
    line.journal.append("one", "message", orders.message("5", 900), orders.BEGAN)
    line.journal.append("one", "down", b"logged out", orders.BEGAN)
    with line.running():
        until(lambda: line.published() == 503)
    got, holes = line.read()
    assert holes == 0
    newest = max(e.at for events in got for e in events if isinstance(e, Received))
    for events in got:
        assert isinstance(events[0], SessionUp)
        assert isinstance(events[-1], Ended)
        assert events[-1].at == newest
        assert all(e.at <= newest for e in events if isinstance(e, Tick))
    line.journal.close()


def test_a_broker_away_is_waited_for_with_bounded_memory(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,))
        topics.ensure(kafka)
        line = Line(tmp_path, kafka, in_flight=1 << 20)
        orders.write(line.journal, 1, 100)
        with line.running() as process:
            until(lambda: line.published() == 100)
            assert line.health()[0] == 200
            broker.kill()
            orders.write(line.journal, 101, 12_000)
            until(lambda: line.health()[0] == 503)
            status = line.health()[1]
            assert "Kafka" in str(status["why"])
            assert isinstance(status["in_flight_bytes"], int)
            assert (1 << 20) <= status["in_flight_bytes"] < (2 << 20)
            assert int(str(status["backlog_bytes"])) > 0
            assert process.poll() is None
            broker.start()
            until(lambda: line.published() == 12_000, 60)
            until(lambda: line.health()[0] == 200)
            assert line.metric("sorwatch_publish_records_total") == 12_000
            assert line.metric("sorwatch_publish_in_flight_bytes") < 1 << 20
            until(lambda: ticked_after(line, 12_000))
        assert_every_order_once(line, 12_000)
        line.journal.close()


def test_without_kafka_it_waits_and_says_what_to_look_at(tmp_path: Path) -> None:
    line = Line(tmp_path, settings.Kafka(bootstrap=(f"127.0.0.1:{free_port()}",)))
    orders.write(line.journal, 1, 10)
    with line.running() as process:
        until(lambda: "kafka.bootstrap" in str(line.health()[1].get("why")))
        assert line.health()[0] == 503
        assert line.metric("sorwatch_publish_connected") == 0
        second = subprocess.run(line.command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 69
        assert "another process publishes" in second.stderr
        process.terminate()
        assert process.wait(20) == 0
    assert line.saved() is None
    line.journal.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "other"}, "belongs to listen.source 'other'"),
        ({"chain": (1, 2)}, "belongs to 2 partitions, kafka.partitions is 4"),
        ({"position": {"segment": 10**9, "offset": 0, "n": 10**9}}, "is ahead of the journal"),
    ],
)
def test_a_position_of_something_else_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    line = Line(tmp_path, settings.Kafka(bootstrap=("127.0.0.1:9",)))
    saved = {"version": 1, "source": "dropcopy", "position": {"segment": 1, "offset": 0, "n": 0}, "chain": (-1,) * 4}
    path = line.state / "publish" / "position"
    path.parent.mkdir()
    path.write_bytes(msgspec.msgpack.encode(saved | {"decoder": b"\x80", "newest": None, "gone": {}} | change))
    done = subprocess.run(line.command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert said in done.stderr
    line.journal.close()


def test_a_taken_probe_port_is_named(tmp_path: Path) -> None:
    line = Line(tmp_path, settings.Kafka(bootstrap=("127.0.0.1:9",)))
    with socket.socket() as taken:
        host, port = line.probe.split(":")
        taken.bind((host, int(port)))
        taken.listen()
        done = subprocess.run(line.command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 69
    assert f"publish.probe: cannot listen on {line.probe}: Address already in use" in done.stderr
    line.journal.close()


def test_an_unreadable_position_is_put_aside_and_everything_sent_again(line: Line) -> None:
    orders.write(line.journal, 1, 1000)
    with line.running():
        until(lambda: line.published() == 1000)
    path = line.state / "publish" / "position"
    path.write_bytes(b"not a position")
    orders.write(line.journal, 1001, 1100)
    with line.running():
        until(lambda: path.exists() and path.stat().st_size > 20 and line.published() == 1100)
    assert path.with_name("position.unreadable").read_bytes() == b"not a position"
    assert_every_order_once(line, 1100)
