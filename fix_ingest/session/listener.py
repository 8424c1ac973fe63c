"""``sorwatch listen``: FIX drop-copy sessions → journal, and nothing else.

No Kafka in this process: a busy or absent broker must never touch a FIX session.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fix_ingest.journal import Journal, JournalInUse
from fix_ingest.session.quickfix_engine import Engine
from fix_ingest.session.session import FixSession
from monitor.config.load import load, secret
from monitor.config.settings import Settings
from monitor.process.command_line import OK, UNAVAILABLE, USAGE, add_config
from monitor.process.health_server import Health, HealthServer

log = structlog.get_logger()

_COUNTED = {
    "messages": "Messages taken into the journal",
    "refused": "Messages the session layer would not take; their bytes are in the journal",
    "garbled": "Messages with a wrong length or checksum, among the refused",
    "duplicates": "Possible duplicates of messages that had been taken",
    "gaps": "Times messages were missing and asked for again",
    "resets": "Times sequence numbers began again",
    "rebuilt": "Messages journaled as the engine writes them because their wire bytes were gone",
}
_LINK_COUNTED = {
    "rejects_sent": "Rejects sent to the counterparty: each is a message we did not take",
    "logons_refused": "Logons refused",
    "disk_errors": "Writes to the journal that failed",
}


class Figures(Collector):
    """Reads the counts where they are kept: counting costs the sessions nothing."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine, self._journal = engine, journal

    def collect(self) -> Iterator[Metric]:
        """Every figure of the listener."""
        links = self._engine.links
        for name, text in _COUNTED.items():
            yield _counter(name, text, {link.session.name: getattr(link.delivery, name) for link in links})
        for name, text in _LINK_COUNTED.items():
            yield _counter(name, text, {link.session.name: getattr(link, name) for link in links})
        up = GaugeMetricFamily("sorwatch_listen_session_up", "Whether the session is logged on", labels=["session"])
        for link in links:
            up.add_metric([link.session.name], float(link.delivery.up))
        yield up
        yield CounterMetricFamily(
            "sorwatch_listen_strangers", "First messages that named no session", value=self._engine.strangers
        )
        yield CounterMetricFamily(
            "sorwatch_listen_journal_bytes", "Bytes written to the journal", value=self._journal.written
        )
        yield CounterMetricFamily(
            "sorwatch_listen_journal_damage", "Damaged places found in the journal", value=len(self._journal.damage)
        )
        yield GaugeMetricFamily(
            "sorwatch_listen_to_disk_seconds",
            "Time since the oldest write that is not forced to disk yet",
            value=self._journal.unsynced_seconds(),
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch listen``."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Listen until told to stop."""
    settings = load(args.config)
    place = args.config or "settings"
    if not settings.listen.session:
        return _fail(USAGE, f"{place}: no [[listen.session]] is declared; name at least one FIX session to listen to")
    passwords: dict[str, str] = {}
    for i, session in enumerate(settings.listen.session):
        if session.password_file is not None:
            try:
                passwords[session.name] = secret(session.password_file)
            except (OSError, KeyError) as error:
                where = f"listen.session[{i}].password_file"
                return _fail(USAGE, f"{place}: {where}: {session.password_file} cannot be read: {error}")
    try:
        _listen(settings, passwords)
    except JournalInUse as error:
        return _fail(UNAVAILABLE, str(error.strerror))
    except OSError as error:
        if error.filename is not None:
            raise
        return _fail(UNAVAILABLE, f"{place}: {error.strerror or error}")


def _listen(settings: Settings, passwords: dict[str, str]) -> NoReturn:
    listen = settings.listen
    journal = Journal(settings.directory("journal"), segment_bytes=listen.segment_bytes, sync=listen.sync)
    engine = Engine(listen.session, passwords, journal, settings.directory("fix"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = CollectorRegistry()
    registry.register(Figures(engine, journal))
    probe = HealthServer(listen.probe, "listen.probe", registry, lambda: _health(engine.links, journal))
    engine.start()
    log.info("listening", sessions=[s.name for s in listen.session], probe=probe.port, next=journal.next)
    while not stop.wait(1.0):
        """Signals are handled between two waits: QuickFIX's threads never return to Python's main loop."""
    log.info("stopping")
    engine.stop()
    journal.close()
    log.info("stopped", next=journal.next)
    _leave(OK)


def _leave(code: int) -> NoReturn:
    """End at once: the FIX engine's threads go on, and must not meet an interpreter that is being taken down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _health(links: list[FixSession], journal: Journal) -> Health:
    """A session that is not logged on is told but is no reason to restart the listener: the counterparty comes."""
    down = [link.session.name for link in links if not link.delivery.up]
    facts: dict[str, int | float | str | None] = {"next": journal.next, "bytes": journal.written}
    if journal.failure is not None:
        why = f"journal cannot be forced to disk: {journal.failure}; restart"
        return Health(ok=False, why=why, restart_helps=True, facts=facts)
    why = f"not logged on: {', '.join(down)}" if down else ""
    return Health(ok=True, why=why, facts=facts)


def _counter(name: str, text: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"sorwatch_listen_{name}", text, labels=["session"])
    for session, value in values.items():
        family.add_metric([session], float(value))
    return family


def _fail(code: int, text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return code
