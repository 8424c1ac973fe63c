"""The supervisor with real, tiny children."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.config import load, settings
from monitor.process import child, command_line, supervisor
from monitor.process.child import Child
from monitor.process.supervisor import Supervisor
from monitor.run import line as run_line
from tests.waiting import free_port, until

pytestmark = pytest.mark.line

LIVES = "import time; time.sleep(600)"
HEALTHY = """
import http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(open(sys.argv[2]).read()))
        self.end_headers()
        helps = (sys.argv[3:] or ["false"])[0]
        self.wfile.write(('{"why": "the disk is full", "restart_helps": ' + helps + '}').encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*children: Child, **limits: float) -> Supervisor:
        made.append(Supervisor(children, **limits))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def tiny(tmp_path: Path, program: str, *words: str, name: str = "tiny", **more: object) -> Child:
    command = (sys.executable, "-c", program, *words)
    return Child(name=name, words=(), command=command, log=tmp_path / f"{name}.log", **more)  # type: ignore[arg-type]  # fields of Child by name


def checked(of: Supervisor, condition: Callable[[], object]) -> Callable[[], object]:
    def ask() -> object:
        of.check()
        return condition()

    return ask


def test_one_that_dies_is_started_again_later_each_time(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    program = "import sys; print('the reason'); print('{\"level\": \"info\"}'); sys.exit(1)"
    line = supervise(tiny(tmp_path, program))
    run = line.runs["tiny"]
    waits = []
    with capture_logs() as told:
        for restarts in (1, 2, 3):
            until(checked(line, lambda n=restarts: run.restarts >= n))
            waits.append(run.wait_s)
    assert waits == sorted(set(waits))
    assert waits[0] >= supervisor.FIRST_WAIT_S
    assert line.mistaken is None
    assert [said["said"] for said in told] == ["the reason"] * 3


def test_one_configured_wrongly_is_not_started_again_and_its_words_are_repeated(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    (tmp_path / "tiny.log").write_text("of a start before\n")
    line = supervise(tiny(tmp_path, "import sys; print('x.toml:3: no such dialect', file=sys.stderr); sys.exit(2)"))
    until(checked(line, lambda: line.mistaken))
    assert line.mistaken is not None
    assert "x.toml:3: no such dialect" in line.mistaken
    assert "of a start before" not in line.mistaken
    assert line.runs["tiny"].restarts == 0


def test_only_what_may_end_is_not_started_again(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    done = "pass"
    line = supervise(tiny(tmp_path, done, name="file", ends=True), tiny(tmp_path, done, name="listen"))
    until(checked(line, lambda: line.runs["listen"].restarts >= 1))
    assert line.runs["file"].restarts == 0


def test_one_that_answers_nobody_is_killed_and_started_again(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    port, status = free_port(), tmp_path / "status"
    status.write_text("200")
    line = supervise(tiny(tmp_path, HEALTHY, str(port), str(status), health=f"127.0.0.1:{port}"), hung_s=3.0)
    run = line.runs["tiny"]
    until(checked(line, lambda: line.health("tiny") is not None))
    os.kill(run.process.pid, signal.SIGSTOP)
    until(checked(line, lambda: run.restarts == 1))
    since = run.since
    until(checked(line, lambda: (last := line.health("tiny")) is not None and last.at > since))


def test_one_that_answers_but_is_unhealthy_for_long_is_restarted(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    port, status = free_port(), tmp_path / "status"
    status.write_text("503")
    words = (HEALTHY, str(port), str(status), "true")
    line = supervise(tiny(tmp_path, *words, health=f"127.0.0.1:{port}"), unhealthy_s=2.0)
    run = line.runs["tiny"]
    with capture_logs() as told:
        until(checked(line, lambda: run.restarts == 1))
        status.write_text("200")
        since = run.since
        until(checked(line, lambda: (last := line.health("tiny")) is not None and last.at > since and last.ok))
    assert "unhealthy for 2 s, restarting it" in [said["event"] for said in told]
    assert run.unhealthy_since is None


def test_one_that_only_waits_for_others_is_not_restarted(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    port, status = free_port(), tmp_path / "status"
    status.write_text("503")
    words = (HEALTHY, str(port), str(status), "false")
    line = supervise(tiny(tmp_path, *words, health=f"127.0.0.1:{port}"), unhealthy_s=0.1)
    run = line.runs["tiny"]
    until(checked(line, lambda: run.unhealthy_since is not None))
    since = run.unhealthy_since
    until(checked(line, lambda: (last := line.health("tiny")) is not None and since and last.at > since + 1))
    assert (run.restarts, run.stuck_since) == (0, None)


def test_it_tells_when_one_is_unhealthy_and_when_it_is_healthy_again(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    port, status = free_port(), tmp_path / "status"
    status.write_text("503")
    line = supervise(tiny(tmp_path, HEALTHY, str(port), str(status), health=f"127.0.0.1:{port}"), hung_s=4.0)
    with capture_logs() as told:
        until(checked(line, lambda: line.runs["tiny"].unhealthy_since))
        status.write_text("200")
        until(checked(line, lambda: line.runs["tiny"].unhealthy_since is None))
    assert [(said["event"], said.get("why")) for said in told] == [
        ("unhealthy", "the disk is full"),
        ("healthy again", None),
    ]


def test_children_stop_in_their_order_and_one_that_does_not_is_killed(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    ending = (
        "import signal, sys, time\n"
        "def end(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    deaf = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    order = tmp_path / "order"
    line = supervise(
        tiny(tmp_path, ending, str(order), "a", name="a"),
        tiny(tmp_path, deaf, name="deaf", grace_s=0.2),
        tiny(tmp_path, ending, str(order), "b", name="b"),
    )
    until(lambda: all(line.said(name) == ["ready"] for name in line.runs))
    line.stop()
    assert order.read_text() == "ab"
    assert line.runs["deaf"].process.returncode == -signal.SIGKILL


def test_a_log_does_not_grow_for_ever(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    program = "import sys, time\nfor n in range(10**9):\n    print(n, flush=True)\n    time.sleep(0.001)"
    line = supervise(tiny(tmp_path, program))
    log = line.runs["tiny"].child.log
    until(lambda: child.size(log) > 200)
    child.bound(log, 200)
    until(lambda: child.size(log) > 0)
    before = (tmp_path / "tiny.log.1").read_text().split()
    assert before[0] == "0"
    assert int(log.read_text().split()[0]) >= int(before[-1])
    assert b"\0" not in log.read_bytes()
    assert log.stat().st_mode & 0o077 == 0


def test_what_cannot_be_started_does_not_end_the_others(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    line = supervise(tiny(tmp_path, LIVES, name="well"), tiny(tmp_path, "pass", name="ill"))
    # its log cannot be opened any more: a directory has taken its name
    until(lambda: line.runs["ill"].process.poll() is not None)
    (tmp_path / "ill.log").unlink()
    (tmp_path / "ill.log").mkdir()
    until(checked(line, lambda: line.runs["ill"].wait_s == supervisor.LONGEST_WAIT_S))
    assert line.runs["well"].process.poll() is None


def test_a_broker_that_is_away_ends_a_limited_patience_with_its_address(supervise: Callable[..., Supervisor]) -> None:
    kafka = settings.Kafka(bootstrap=(f"127.0.0.1:{free_port()}",))
    with pytest.raises(run_line.NoTopics, match=kafka.bootstrap[0]):
        run_line.wait_for_topics(kafka, supervise(), threading.Event(), patience_s=0.1)


def test_an_embedded_broker_whose_port_is_taken_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = load.parse(f'state = "{tmp_path}"\n[kafka]\nembedded_port = {port}\n', "x")
        assert run_line.run_line(config, None, None, threading.Event()) == command_line.UNAVAILABLE
    assert f"127.0.0.1:{port} is in use" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()
