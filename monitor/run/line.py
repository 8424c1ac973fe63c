"""``sorwatch run``: the whole line on one machine under one supervisor.

On SIGTERM or Ctrl-C the children stop in the order of the data, so that what was accepted is carried on.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path

import structlog

from monitor.config import load, settings
from monitor.kafka import topics
from monitor.kafka.embedded import broker
from monitor.process import command_line
from monitor.process.child import Child
from monitor.process.signals import stopping
from monitor.process.supervisor import Supervisor

log = structlog.get_logger()

AGAIN_S = 15.0
"""How long one reason to wait is not repeated."""
ANSWER_MS = 5_000
"""How long a broker that takes connections may take to answer before it is said why it might not."""


def line(config: str, feed: str | None, logs: Path, chosen: settings.Settings | None = None) -> list[Child]:
    """The processes of the line in the order of the data, which is the order they are stopped in.

    With the settings ``chosen`` each is asked for its health where they say.
    """
    at: dict[str, str] = {}
    if chosen is not None:
        at = {"listen": chosen.listen.probe, "publish": chosen.publish.probe, "quotes": chosen.quotes.probe}
        at |= {"watch": chosen.watch.probe, "alert": chosen.alert.page}
    words = [("listen",), *([] if feed is None else [("quotes", feed)]), ("publish",), ("watch",), ("alert",)]
    # what comes over TCP or is made up never ends
    ends = feed is not None and not feed.startswith(("demo:", "jsonl:tcp:"))
    return [_child(w, config, logs, at.get(w[0]), ends=ends and w[0] == "quotes") for w in words]


def embedded(config: str, logs: Path) -> Child:
    """The embedded broker, which starts before the line and stops after it."""
    return _child(("kafka",), config, logs, grace_s=broker.STOP_S + 5.0)


def _child(
    words: tuple[str, ...],
    config: str,
    logs: Path,
    health: str | None = None,
    *,
    grace_s: float = 15.0,
    ends: bool = False,
) -> Child:
    return Child(
        name=words[0],
        words=(*words, "--config", config),
        log=logs / f"{words[0]}.log",
        grace_s=grace_s,
        health=health,
        ends=ends,
    )


class NoTopics(RuntimeError):
    """Kafka was not there before patience ended; says why."""


def wait_for_topics(
    kafka: settings.Kafka,
    own: Supervisor,
    stop: threading.Event,
    *,
    beside: Supervisor | None = None,
    patience_s: float = float("inf"),
) -> list[str]:
    """Create the topics as soon as the broker answers; answers what is wrong with those that exist.

    ``own`` looks after the embedded broker, if there is one, ``beside`` after what runs already. A named broker that
    stays away for ``patience_s`` seconds, or an embedded one that cannot start although the patience is limited,
    raises `NoTopics`.
    """
    told = float("-inf")
    deadline = time.monotonic() + patience_s
    looked_after = [own] if beside is None else [own, beside]
    while not stop.is_set() and all(each.mistaken is None for each in looked_after):
        for each in looked_after:
            each.check()
        try:
            return topics.ensure(kafka, timeout_ms=ANSWER_MS)
        except topics.Unavailable as away:
            if patience_s < float("inf") and (own.failed or (not own.runs and time.monotonic() > deadline)):
                raise NoTopics(own.failed or str(away)) from None
            if time.monotonic() - told > AGAIN_S:
                _tell_waiting(own, str(away))
                told = time.monotonic()
            stop.wait(0.2)
    return []


def _tell_waiting(own: Supervisor, away: str) -> None:
    if not own.runs:
        log.info("waiting for Kafka", why=away)
        return
    said = "".join(own.said("kafka"))
    log.info("starting Kafka", log=str(own.runs["kafka"].child.log), **({"said": said} if said else {}))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch run``."""
    command_line.add_config(parser)
    parser.add_argument(
        "--quotes", metavar="SOURCE", help="quote source (see `sorwatch quotes --help`); else quotes.feed"
    )


def run(args: argparse.Namespace) -> int:
    """Run the line until told to stop."""
    config = load.load(args.config)
    with stopping() as stop:
        return run_line(config, args.config, args.quotes or config.quotes.feed, stop)


def run_line(config: settings.Settings, path: str | None, feed: str | None, stop: threading.Event) -> int:
    """Keep the line running until ``stop`` is set; answers the exit code."""
    if not config.kafka.bootstrap and not broker.free(config.kafka.embedded_port):
        sys.stderr.write(f"{broker.taken(config.kafka.embedded_port)}\n")
        return command_line.UNAVAILABLE
    logs = config.directory("logs")
    words = path or os.devnull
    own = Supervisor([] if config.kafka.bootstrap else [embedded(words, logs)])
    listen, *others = line(words, feed, logs, config)
    # the drop copy is taken down whether Kafka is there or not
    processes = Supervisor([listen])
    try:
        problems = wait_for_topics(config.kafka, own, stop, beside=processes)
        if not (problems or stop.is_set() or own.mistaken or processes.mistaken):
            processes.add(others)
            _announce(config, feed, logs)
        while not (stop.wait(0.1) or problems or own.mistaken or processes.mistaken):
            own.check()
            processes.check()
    finally:
        log.info("stopping")
        processes.stop()
        own.stop()
    wrong = [*problems, *filter(None, (own.mistaken, processes.mistaken))]
    for what in wrong:
        sys.stderr.write(f"{what}\n")
    return command_line.USAGE if wrong else command_line.OK


def _announce(config: settings.Settings, feed: str | None, logs: Path) -> None:
    """Say where to look, and what this line will not see."""
    log.info(
        "running",
        page=f"http://{config.alert.page}/",
        metrics=f"http://{config.alert.page}/metrics",
        kafka=",".join(config.kafka.servers),
        logs=str(logs),
        stop="Ctrl-C",
    )
    if feed is None:
        log.warning("no quotes are played: name a source with --quotes or quotes.feed, or publish blocks of your own")
