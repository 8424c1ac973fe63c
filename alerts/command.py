"""`sorwatch alert`: reads findings, tells people, serves the desk page and the metrics."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import structlog

from alerts.channels import Channel
from alerts.channels.mail import mail_channel
from alerts.channels.slack import slack_channel
from alerts.consumer import FindingsConsumer
from alerts.delivery import ChannelDelivery
from alerts.desk.server import Desk
from alerts.incidents import Pace
from alerts.notify import Timing
from alerts.outbox import Outbox
from alerts.render import RuleNote
from alerts.service import AlertService, Received
from alerts.store import FILE, Store, StoreInUse, WrongStore, own
from monitor.config import load
from monitor.config.settings import Alert, Settings
from monitor.kafka import connection
from monitor.process import command_line
from rules import RULES

log = structlog.get_logger()

DECIDE_EVERY_S = 0.25
NANO = 1_000_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    command_line.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Run until stopped; answers the exit code."""
    chosen = load.load(args.config)
    connection.aiokafka_config(chosen.kafka)  # says now what of it cannot be read
    try:
        channels = open_channels(chosen.alert)
    except (OSError, KeyError, ValueError) as error:
        return _failed(command_line.USAGE, f"a secret of alert.slack or alert.mail cannot be read: {_kind(error)}")
    directory = chosen.directory("alert")
    try:
        owned = own(directory)
    except StoreInUse as error:
        return _failed(command_line.UNAVAILABLE, str(error))
    with owned:
        return _run(chosen, directory, channels)


def _run(chosen: Settings, directory: Path, channels: list[Channel]) -> int:
    try:
        with closing(Store(directory)) as store:
            return asyncio.run(Alerting(chosen, store, channels).run())
    except WrongStore as error:
        return _failed(command_line.FAILED, str(error))
    except (sqlite3.Error, msgspec.MsgspecError) as error:
        todo = "make room and mend its rights, or move it away to start anew with what Kafka still has"
        return _failed(command_line.FAILED, f"the store {directory / FILE} cannot be read: {error}: {todo}")


class Alerting:
    """The process: consumer, service, one delivery a channel, desk page."""

    def __init__(self, chosen: Settings, store: Store, channels: list[Channel]) -> None:
        alert = chosen.alert
        self._alert = alert
        self.store = store
        self.outbox = Outbox(store)
        self.service = AlertService(
            store,
            self.outbox,
            rule_notes(),
            Timing(gather_ns=_ns(alert.quiet_s), again_ns=_ns(alert.again_s)),
            Pace(growing_ns=_ns(alert.again_s), close_ns=_ns(alert.close_s)),
            tuple(c.name for c in channels),
            alert.base_url,
        )
        self.channels = channels
        self.deliveries = [
            ChannelDelivery(c, store, self.outbox, time.time_ns, self.service.count_attempt) for c in channels
        ]
        self.consumer = FindingsConsumer(chosen.kafka, store.offsets, self._take, time.time_ns)
        self.desk = Desk(self.service, self.deliveries, self.consumer, alert, time.time_ns)

    async def run(self) -> int:
        """Start everything, wait for the signal to stop, stop everything."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            port = await self.desk.start()
        except OSError as error:
            await self.desk.stop()
            return _failed(
                command_line.UNAVAILABLE, f"the page cannot listen on {self._alert.page}: {error}; set alert.page"
            )
        if self._alert.base_url is None:
            self.service.base_url = f"http://{self._alert.page.rsplit(':', 1)[0]}:{port}"
        log.info("alerting", page=f"http://{self._alert.page.rsplit(':', 1)[0]}:{port}/", channels=self._names())
        await self._resume()
        tasks = [asyncio.create_task(c.run(), name=f"delivery {c.channel.name}") for c in self.deliveries]
        tasks += [
            asyncio.create_task(self.consumer.run(), name="consumer"),
            asyncio.create_task(self._decide(), name="decide"),
        ]
        code = await _until(stop, tasks)
        await self._stop(tasks)
        return code

    def _take(self, batch: list[Received]) -> None:
        self.service.take(batch, time.time_ns())

    async def _decide(self) -> None:
        while True:
            try:
                told = self.service.tell(time.time_ns())
            except sqlite3.Error:
                log.exception("the store cannot be written; nobody was told", hint="is the disk full?")
                await asyncio.sleep(5)
                continue
            if told > 0:
                for delivery in self.deliveries:
                    delivery.wake()
            await asyncio.sleep(DECIDE_EVERY_S)

    async def _resume(self) -> None:
        cut: int | None = None
        while cut is None:
            try:
                with self.store.transaction():
                    cut = self.outbox.resume(time.time_ns(), tuple(self._names()))
            except sqlite3.Error:
                log.exception("the store cannot be written; waiting", hint="is the disk full?")
                await asyncio.sleep(5)
        if cut > 0:
            log.warning("notices were in flight when the process ended; they are sent again", count=cut)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for channel in self.channels:
            await channel.close()
        await self.desk.stop()
        log.info("stopped")

    def _names(self) -> list[str]:
        return [c.name for c in self.channels]


def rule_notes() -> dict[str, RuleNote]:
    """What notices say about each rule."""
    return {r.name: RuleNote(title=r.title, runbook=r.runbook, blind_to=r.blind_to) for r in RULES}


def open_channels(alert: Alert) -> list[Channel]:
    """The channels that are set; raises `OSError` or `KeyError` when a secret is not there."""
    channels: list[Channel] = []
    if alert.slack is not None:
        channels.append(slack_channel(alert.slack))
    if alert.mail is not None:
        channels.append(mail_channel(alert.mail))
    return channels


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> int:
    """Wait for the signal; a task that ends by itself is a fault, told and left to the supervisor's restart."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    failed = [t for t in done if t is not stopping]
    for task in failed:
        why = None if task.cancelled() else task.exception()
        log.error("a part of alert failed; the process ends", part=task.get_name(), exc_info=why)
    return command_line.FAILED if failed else command_line.OK


def _ns(seconds: float) -> int:
    return round(seconds * NANO)


def _kind(error: Exception) -> str:
    """What went wrong without what was read."""
    return f"{type(error).__name__}: {error.args[0] if isinstance(error, KeyError) else error}"


def _failed(code: int, why: str) -> int:
    sys.stderr.write(f"sorwatch alert: {why}\n")
    return code
