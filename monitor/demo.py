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
from pathlib import Path

import structlog

from monitor import child, cli, settings, supervisor, topics
from monitor.child import Child
from monitor.simulator import setup, source, verdict
from monitor.simulator.setup import Stage
from monitor.stopping import stopping

log = structlog.get_logger()

DRAIN_S = 60.0
"""How long after the last order the line may take to have judged everything."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch demo``."""
    parser.add_argument("--seconds", type=float, metavar="N", help="stop by itself after so long; else at Ctrl-C")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="use a broker that is there already")
    parser.add_argument("--orders", type=float, default=40.0, metavar="PER_SECOND", help="orders a second (40)")
    parser.add_argument("--seed", type=int, default=7, help="of market and orders (7)")
    parser.add_argument("--state", default=".state/demo", metavar="DIR", help="emptied at the start (.state/demo)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when what was planted was found, nothing else was accused and nothing was lost."""
    directory = Path(args.state)
    shutil.rmtree(directory, ignore_errors=True)
    stage = setup.prepare(directory, args.kafka, args.seed)
    with stopping() as stop:
        told = _play(stage, args, stop)
    if isinstance(told, str):
        log.error(told)
        return cli.UNAVAILABLE
    sys.stdout.write(json.dumps(verdict.as_json(told)) + "\n")
    for wrong in (wrongs := verdict.wrongs(told)):
        log.error(wrong)
    return cli.FAILED if wrongs else cli.OK


def _play(stage: Stage, args: argparse.Namespace, stop: threading.Event) -> verdict.Told | str:
    logs = stage.directory / "logs"
    receiver = child.spawn(stage.receiver, logs / "receiver.log")
    broker = supervisor.Supervisor([] if args.kafka else [supervisor.embedded(str(stage.config), logs)])
    line = supervisor.Supervisor([])
    try:
        problems = supervisor.wait_for_topics(stage.settings.kafka, broker, stop)
        if problems or broker.mistaken or stop.is_set():
            return broker.mistaken or "; ".join(problems) or "stopped before it began"
        line = supervisor.Supervisor(supervisor.line(str(stage.config), stage.feed, logs))
        return _orders(stage, args, stop, line)
    finally:
        if args.kafka:
            _forget(stage.settings.kafka)
        line.stop()
        broker.stop()
        child.stop(receiver, Child(name="receiver", words=(), log=logs).grace_s)


def _forget(kafka: settings.Kafka) -> None:
    """Leave nothing behind on somebody else's broker."""
    try:
        topics.delete(kafka)
    except topics.Unavailable as away:
        log.warning("the demo's topics stay behind", prefix=kafka.prefix, why=str(away))


def _orders(
    stage: Stage, args: argparse.Namespace, stop: threading.Event, line: supervisor.Supervisor
) -> verdict.Told | str:
    if not setup.wait_until_up(stage, stop, line):
        return line.mistaken or f"the line did not come up: see {stage.directory / 'logs'}"
    setup.announce(stage, sys.stderr.write)
    router = source.Router(stage, rate=args.orders, seed=args.seed, seconds=args.seconds, stop=stop)
    router.start()
    while router.is_alive():
        line.check()
        router.join(0.1)
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and not verdict.settled(stage.settings.kafka, router.sent):
        line.check()
        time.sleep(0.2)
    restarts = sum(run.restarts for run in line.runs.values())
    return verdict.tell(stage.settings.kafka, stage.settings.watch.patience_ms, router.sent, restarts)
