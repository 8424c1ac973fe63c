"""`sorwatch demo` as a stranger runs it: on a broker that is there, stopped by Ctrl-C, without a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from monitor.demo import command
from monitor.demo import stage as setup
from monitor.kafka.embedded.broker import Broker
from monitor.process import command_line
from monitor.process.leash import leashed
from tests.waiting import free_port, until

pytestmark = pytest.mark.line

COMMAND = [sys.executable, "-m", "monitor", "demo"]


def demo_once(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.timeout(200)
def test_stopped_by_ctrl_c_it_says_what_it_found_and_leaves_nothing_behind(broker: Broker, tmp_path: Path) -> None:
    state, out, err = (tmp_path / name for name in ("state", "out", "err"))
    words = leashed([*COMMAND, "--kafka", broker.bootstrap, "--state", str(state)])
    with out.open("wb") as told, err.open("wb") as said:
        process = subprocess.Popen(words, stdout=told, stderr=said)
        try:
            until(lambda: "the router sends orders" in err.read_text(), 90, err.read_text)
            second = demo_once("--state", str(state))
            log = state / "logs" / "alert.log"
            until(lambda: "told" in log.read_text(), 60, err.read_text)
            process.send_signal(signal.SIGINT)
            assert process.wait(100) == command_line.OK, err.read_text()
        finally:
            process.kill()
            process.wait()
    assert second.returncode == command_line.USAGE
    assert "another demo is running there" in second.stderr
    (line,) = out.read_text().splitlines()
    outcome = json.loads(line)
    assert outcome["reports_sent"] == outcome["reports_published"] > 0
    assert (outcome["missed"], outcome["wrong"], outcome["lost"], outcome["duplicated"]) == ([], [], 0, 0)
    assert "Traceback" not in err.read_text()
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    until(lambda: not any(topic.startswith("demo-") for topic in consumer.topics()))
    consumer.close()


def test_a_named_broker_that_is_away_is_named(tmp_path: Path) -> None:
    server = f"127.0.0.1:{free_port()}"
    done = demo_once("--kafka", server, "--state", str(tmp_path / "state"))
    assert done.returncode == command_line.UNAVAILABLE
    assert server in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_it_empties_only_what_it_has_made(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear to somebody")
    done = demo_once("--state", str(tmp_path), "--seconds", "1")
    assert done.returncode == command_line.USAGE
    assert (tmp_path / "thesis.txt").exists()
    (tmp_path / "thesis.txt").unlink()
    (tmp_path / command.MARKER).touch()
    (tmp_path / "old").mkdir()
    with command.emptied(tmp_path):
        assert [p.name for p in tmp_path.iterdir()] == [command.MARKER]


@pytest.mark.parametrize("words", [("--seconds", "0"), ("--orders", "-1"), ("--kafka", "nowhere")])
def test_options_that_make_no_sense_are_refused(words: tuple[str, str]) -> None:
    done = demo_once(*words)
    assert done.returncode == command_line.USAGE
    assert words[0] in done.stderr


def test_of_two_demos_one_has_the_usual_ports() -> None:
    first = command.first_here()
    assert command.first_here() is None or first is None
    if first is not None:
        first.close()


def test_without_them_every_port_is_the_systems(tmp_path: Path) -> None:
    stage = setup.prepare(tmp_path, None, 7, usual=False)
    assert not set(stage.ports.values()) & set(setup.WANTED.values())
    assert len(set(stage.ports.values())) == len(stage.ports)
