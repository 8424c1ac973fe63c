"""The worker on a real Kafka: what it tells is what the engine tells when it is fed directly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import watch_clerk
import watch_feed
from watch_line import Watcher, executions, findings, until

from monitor import blocks, readback, settings, wire
from monitor.events import Execution

pytestmark = pytest.mark.line


def direct(sent: list[watch_feed.Sent]) -> dict[str, Execution]:
    """The same messages, fed to engines in this process."""
    engines = {p: watch_clerk.Clerk() for p in range(4)}
    for message in sent:
        engine = engines[message.partition]
        if message.topic == "nbbo":
            engine.block(blocks.decode(message.value), 0)
        else:
            for event in wire.decode_reports(message.value):
                engine.report(event)
    return {e.exec_id: e for engine in engines.values() for e in engine.advance().executions}


def test_live_equals_replay(kafka: settings.Kafka, sender: watch_feed.Sender, start: Callable[[], Watcher]) -> None:
    sent = [message for part in watch_feed.slices(60, 4) for message in part]
    watcher = start()
    for message in sent:
        sender.send(message)
    sender.flush()
    expected = direct(sent)
    until(lambda: len(executions(kafka)) == len(expected))
    assert executions(kafka) == expected
    until(lambda: {f.exec_id for f in findings(kafka).values()} == set(expected))
    assert watcher.stop() == 0
    assert list(readback.read(kafka, "dead_letters")) == []
