"""``sorwatch run``: the whole line on one machine under one supervisor.

Each process is a child of its own, restarted when it dies, later each time it dies soon again. A child that calls
its configuration wrong (exit code 2) is not restarted: that would only repeat the mistake, so everything stops and
says so. On SIGTERM or Ctrl-C the children stop in the order of the data, so that what was accepted is carried on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Struct

from monitor import child, cli, settings, topics
from monitor.child import Child
from monitor.stopping import stopping

log = structlog.get_logger()

SOON_S = 10.0
"""A child that lived no longer than this is restarted more slowly each time."""
AGAIN_S = 15.0
"""How long one reason to wait is not repeated."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0


class Run(Struct):
    """One child as it is now."""

    child: Child
    process: subprocess.Popen[bytes]
    since: float
    wait_s: float = FIRST_WAIT_S
    again_at: float | None = None
    """When it is to be started again; ``None`` while it runs."""
    restarts: int = 0


class Supervisor:
    """Keeps children running until told to stop; ``check`` is called a few times a second."""

    def __init__(self, children: list[Child], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.runs = {c.name: Run(c, child.start(c), now()) for c in children}
        self.mistaken: str | None = None

    def check(self) -> None:
        """Notice the dead and start again those whose wait is over."""
        for name, run in self.runs.items():
            if run.again_at is not None:
                if self._now() >= run.again_at:
                    self._restart(run)
            elif (code := run.process.poll()) is not None:
                self._died(name, run, code)

    def _died(self, name: str, run: Run, code: int) -> None:
        if code == cli.USAGE:
            self.mistaken = f"{name} is configured wrongly: see the end of {run.child.log}"
            run.again_at = float("inf")
            return
        if code == cli.OK:
            log.info("finished", child=name)
            run.again_at = float("inf")
            return
        lived = self._now() - run.since
        run.wait_s = min(run.wait_s * 2, LONGEST_WAIT_S) if lived < SOON_S else FIRST_WAIT_S
        run.again_at = self._now() + run.wait_s
        log.error(
            "died, starting it again", child=name, exit_code=code, after_s=round(lived, 1), log=str(run.child.log)
        )

    def _restart(self, run: Run) -> None:
        run.process = child.start(run.child)
        run.since = self._now()
        run.again_at = None
        run.restarts += 1

    def stop(self) -> None:
        """Stop the children in the order they were started in, each after the one before has ended."""
        for run in self.runs.values():
            if run.again_at is None:
                child.stop(run.process, run.child.grace_s)


def line(config: str, feed: str | None, logs: Path) -> list[Child]:
    """The processes of the line in the order of the data, which is the order they are stopped in."""
    quotes = [] if feed is None else [_child("quotes", (feed,), config, logs)]
    listen, publish, watch, alert = (_child(name, (), config, logs) for name in ("listen", "publish", "watch", "alert"))
    return [listen, *quotes, publish, watch, alert]


def embedded(config: str, logs: Path) -> Child:
    """The embedded broker, which starts before the line and stops after it."""
    return _child("kafka", (), config, logs)


def _child(name: str, words: tuple[str, ...], config: str, logs: Path) -> Child:
    return Child(name=name, words=(name, *words, "--config", config), log=logs / f"{name}.log")


def wait_for_topics(kafka: settings.Kafka, broker: Supervisor, stop: threading.Event) -> list[str]:
    """Create the topics as soon as the broker answers; answers what is wrong with those that exist."""
    told = None
    while not stop.is_set() and broker.mistaken is None:
        broker.check()
        try:
            return topics.ensure(kafka)
        except topics.Unavailable as away:
            if told is None or time.monotonic() - told > AGAIN_S:
                log.info("waiting for Kafka", why=str(away))
                told = time.monotonic()
            stop.wait(0.2)
    return []


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch run``."""
    cli.add_config(parser)
    parser.add_argument(
        "--quotes", metavar="SOURCE", help="quote source (see `sorwatch quotes --help`); else quotes.feed"
    )


def run(args: argparse.Namespace) -> int:
    """Run the line until told to stop."""
    config = settings.load(args.config)
    with stopping() as stop:
        return run_line(config, args.config, args.quotes or config.quotes.feed, stop)


def run_line(config: settings.Settings, path: str | None, feed: str | None, stop: threading.Event) -> int:
    """Keep the line running until ``stop`` is set; answers the exit code."""
    logs = config.directory("logs")
    words = path or os.devnull
    broker = Supervisor([] if config.kafka.bootstrap else [embedded(words, logs)])
    processes = Supervisor([])
    try:
        problems = wait_for_topics(config.kafka, broker, stop)
        if not problems and not stop.is_set():
            processes = Supervisor(line(words, feed, logs))
            log.info(
                "running", page=f"http://{config.alert.page}/", kafka=",".join(config.kafka.servers), logs=str(logs)
            )
        while not (stop.wait(0.1) or problems or broker.mistaken or processes.mistaken):
            broker.check()
            processes.check()
    finally:
        processes.stop()
        broker.stop()
    wrong = [*problems, *filter(None, (broker.mistaken, processes.mistaken))]
    for what in wrong:
        log.error(what)
    return cli.USAGE if wrong else cli.OK
