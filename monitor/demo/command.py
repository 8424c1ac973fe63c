"""``sorwatch demo``: a synthetic market, a router with planted faults, and the whole line, on this machine.

Everything on the way is real: FIX over TCP, Apache Kafka, the worker, Slack's protocol and SMTP. Only the market
and the router's orders are made up, and they say so. At the end it prints what was planted beside what was found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import structlog
from msgspec import Struct

from monitor.config import settings
from monitor.demo import scorecard, sending
from monitor.demo import stage as setup
from monitor.demo.stage import Stage
from monitor.kafka import topics
from monitor.kafka.embedded import jars
from monitor.process import address, child, command_line, supervisor
from monitor.process.lockfile import held
from monitor.process.signals import stopping
from monitor.run.line import NoTopics, embedded, wait_for_topics
from monitor.run.line import line as line_of

log = structlog.get_logger()

KAFKA_S = 10.0
"""How long a named broker may take to answer."""
MARKER = ".sorwatch-demo"
"""A file in directories that the demo has made and may empty."""
WARM_UP_S = 20.0
"""How long orders wait for a worker that has not taken up its partitions yet."""
RECEIVER_GRACE_S = 15.0
DRAIN_S = 60.0
"""How long judging may stand still after the last order before it is given up."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch demo``."""
    parser.add_argument("--seconds", type=_positive, metavar="N", help="stop by itself after so long; else at Ctrl-C")
    parser.add_argument("--kafka", type=_server, metavar="HOST:PORT", help="use a broker that is there already")
    parser.add_argument("--orders", type=_positive, default=40.0, metavar="PER_SECOND", help="orders a second (40)")
    parser.add_argument("--seed", type=int, default=7, help="of market and orders (7)")
    parser.add_argument("--state", default=".state/demo", metavar="DIR", help="emptied at the start (.state/demo)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when what was planted was found, nothing else was accused and nothing was lost."""
    if find_spec("aiosmtpd") is None:
        sys.stderr.write("the demo's mail server is missing: pip install 'sorwatch[demo]'\n")
        return command_line.UNAVAILABLE
    try:
        owned = emptied(Path(args.state).expanduser())
        usual = first_here()
        stage = setup.prepare(Path(args.state).expanduser(), args.kafka, args.seed, usual=usual is not None)
    except (NotOurs, OSError) as error:
        sys.stderr.write(f"--state {args.state}: {error}\n")
        return command_line.USAGE
    with owned, usual or nullcontext(), stopping() as stop:
        try:
            told = _play(stage, args, stop)
        except NoTopics as away:
            told = str(away)
        if stop.is_set() and told is None:
            sys.stderr.write("stopped before it began\n")
            return command_line.STOPPED
    if isinstance(told, str) or told is None:
        sys.stderr.write(f"{told}\n")
        return command_line.UNAVAILABLE
    sys.stdout.write(json.dumps(scorecard.as_json(told)) + "\n")
    if told.left_out:
        log.warning("orders were reported too late to be judged: this machine is busy", left_out=told.left_out)
    for wrong in (wrongs := scorecard.wrongs(told)):
        log.error(wrong)
    return command_line.FAILED if wrongs else command_line.OK


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def _server(text: str) -> str:
    try:
        return str(address.parse(text, lowest=1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class NotOurs(RuntimeError):
    """A directory the demo must not empty."""


def emptied(directory: Path) -> IO[bytes]:
    """Empty the demo's directory and hold it until the answer is closed; raises `NotOurs` for anybody else's."""
    if directory.is_dir() and any(directory.iterdir()) and not _ours(directory):
        raise NotOurs("is not empty and was not made by the demo, which would empty it: name another directory")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    marker = held(directory / MARKER)
    if marker is None:
        raise NotOurs("another demo is running there: stop it, or name another directory")
    for inside in directory.iterdir():
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside)
        elif inside.name != MARKER:
            inside.unlink()
    return marker


def first_here() -> IO[bytes] | None:
    """The right to the usual ports, held until the answer is closed; ``None`` when another demo of ours has it.

    Asked because ports that are free now may be about to be taken by a demo that was started at the same time.
    """
    place = jars.cache_directory()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return held(place / "demo.lock")


def _ours(directory: Path) -> bool:
    written = directory / "sorwatch.toml"
    return (directory / MARKER).exists() or (written.is_file() and written.read_text("utf-8").startswith(setup.HEAD))


def _play(stage: Stage, args: argparse.Namespace, stop: threading.Event) -> scorecard.Scorecard | str | None:
    """The outcome, why there is none, or ``None`` when it was stopped before it began."""
    logs = stage.directory / "logs"
    receiver = child.spawn(stage.receiver, logs / "receiver.log")
    broker = supervisor.Supervisor([] if args.kafka else [embedded(str(stage.config), logs)])
    line = supervisor.Supervisor([])
    try:
        problems = wait_for_topics(stage.settings.kafka, broker, stop, patience_s=KAFKA_S)
        if problems or broker.mistaken or stop.is_set():
            return broker.mistaken or "; ".join(problems) or None
        log.info("starting the line", logs=str(logs))
        line.add(line_of(str(stage.config), stage.feed, logs, stage.settings))
        return _orders(stage, args, stop, Processes(broker, line))
    finally:
        log.info("stopping")
        line.stop()
        if args.kafka and line.runs:
            _forget(stage.settings.kafka)
        broker.stop()
        child.stop(receiver, RECEIVER_GRACE_S)


def _forget(kafka: settings.Kafka) -> None:
    """Leave nothing behind on somebody else's broker."""
    try:
        topics.delete(kafka)
    except topics.Unavailable as away:
        log.warning("the demo's topics stay behind", prefix=kafka.prefix, why=str(away))


class Processes(Struct, frozen=True):
    """Everything the demo has to keep alive."""

    broker: supervisor.Supervisor
    line: supervisor.Supervisor

    def check(self) -> None:
        """Start again what has died; raises `Broken` when that cannot help."""
        for each in (self.broker, self.line):
            each.check()
            if each.mistaken is not None:
                raise Broken(each.mistaken)

    def restarts(self) -> int:
        """How often something had to be started again."""
        return sum(run.restarts for each in (self.broker, self.line) for run in each.runs.values())


class Broken(RuntimeError):
    """The line cannot run; says what it said."""


def _orders(
    stage: Stage, args: argparse.Namespace, stop: threading.Event, processes: Processes
) -> scorecard.Scorecard | str | None:
    try:
        waiting = setup.wait_until_up(stage, stop, processes.check)
        if stop.is_set():
            return None
        if waiting:
            return f"{', '.join(waiting)} did not come up: see {stage.directory / 'logs'}"
        setup.announce(stage, sys.stderr.write)
        _warm_up(stage, stop, processes)
        sent = _send(stage, args, stop, processes)
        if stop.is_set() and not sent.messages:
            return None
        _drain(stage, sent, processes)
        return scorecard.tell(stage.settings.kafka, stage.settings.watch.patience_ms, sent, processes.restarts())
    except (Broken, topics.Unavailable) as error:
        return str(error)


def _warm_up(stage: Stage, stop: threading.Event, processes: Processes) -> None:
    """Let the worker take up its partitions, so that what is measured is the line and not its start."""
    began, progress = time.time_ns(), scorecard.Progress(stage.settings.kafka)
    deadline = time.monotonic() + WARM_UP_S
    while time.monotonic() < deadline and not stop.is_set():
        processes.check()
        judged = progress.judged_until()
        if judged is not None and judged >= began:
            return
        stop.wait(0.2)


def _send(stage: Stage, args: argparse.Namespace, stop: threading.Event, processes: Processes) -> scorecard.Sent:
    """Have the router send its orders; answers what it has sent."""
    until = "Ctrl-C" if args.seconds is None else f"{args.seconds:g} s have passed, or Ctrl-C"
    log.info("the router sends orders", a_second=args.orders, until=until)
    router = sending.Router(stage, rate=args.orders, seed=args.seed, seconds=args.seconds, stop=stop)
    router.start()
    while router.is_alive():
        processes.check()
        router.join(0.1)
    return router.sent


def _drain(stage: Stage, sent: scorecard.Sent, processes: Processes) -> None:
    """Wait until everything sent has been judged; gives up when judging stands still for `DRAIN_S` seconds."""
    log.info("all orders are sent; waiting until the last has been judged", messages=sent.messages)
    wanted, judged, progress = sent.last_at + scorecard.QUIET_NS, 0, scorecard.Progress(stage.settings.kafka)
    deadline = time.monotonic() + DRAIN_S
    while judged < wanted and time.monotonic() < deadline:
        processes.check()
        time.sleep(0.2)
        further = progress.judged_until() or judged
        if further > judged:
            judged, deadline = further, time.monotonic() + DRAIN_S
