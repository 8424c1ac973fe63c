"""The whole line as its processes, for tests that feed it, kill parts of it and read the topics back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from monitor.config import load, settings
from monitor.kafka import readback, topics
from monitor.process import supervisor
from monitor.process.child import Child
from monitor.run.line import line as line_of
from monitor.wire import codec, events
from tests.waiting import free_port

SESSION = """
state = "{state}"
[kafka]
bootstrap = ["{bootstrap}"]
prefix = "{prefix}"
[listen]
source = "rig"
probe = "127.0.0.1:0"
[[listen.session]]
name = "{session}"
sender = "SORWATCH"
target = "RIG"
port = {port}
heartbeat_seconds = 5
[publish]
clock = "{clock}"
probe = "127.0.0.1:0"
[quotes]
probe = "127.0.0.1:0"
[watch]
ties = "{ties}"
silence_s = 600.0
session_timeout_s = 6.0
probe = "127.0.0.1:0"
{watch}
[alert]
page = "127.0.0.1:0"
"""


class Rig:
    """Processes under the shipped supervisor; `kill` is SIGKILL, after which the supervisor starts them again."""

    def __init__(self, directory: Path, config: settings.Settings, children: list[Child]) -> None:
        self.directory = directory
        self.settings = config
        self.supervisor = supervisor.Supervisor(children)

    def kill(self, name: str) -> None:
        process = self.supervisor.runs[name].process
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self.supervisor.check()

    def check(self) -> None:
        self.supervisor.check()
        assert self.supervisor.mistaken is None, self.supervisor.mistaken

    def logs(self) -> str:
        ends = (f"== {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in sorted(self.directory.glob("*.log")))
        return "\n".join(ends)

    def count(self, what: str) -> int:
        """What the worker last said it had counted, over all partitions: cheap to ask again and again."""
        latest: dict[int, int] = {}
        for message in readback.read(self.settings.kafka, "line"):
            latest |= {told.partition: told.counts.get(what, 0) for told in codec.decode_health(message.value)}
        return sum(latest.values())

    def executions(self) -> dict[str, events.Execution]:
        """The highest revision of each execution."""
        kept: dict[str, events.Execution] = {}
        for message in readback.read(self.settings.kafka, "executions"):
            for execution in codec.decode_executions(message.value):
                known = kept.get(execution.exec_id)
                if known is None or execution.revision > known.revision:
                    kept[execution.exec_id] = execution
        return kept

    def findings(self) -> dict[str, events.Finding]:
        """The highest revision of each finding."""
        kept: dict[str, events.Finding] = {}
        for message in readback.read(self.settings.kafka, "findings"):
            for finding in codec.decode_findings(message.value):
                known = kept.get(finding.id)
                if known is None or finding.revision > known.revision:
                    kept[finding.id] = finding
        return kept


@contextmanager
def rig(
    directory: Path,
    bootstrap: str,
    prefix: str,
    quotes: list[str],
    *,
    ties: events.Tie = "before",
    clock: str = "events",
    session: str = "rig-router",
    watch: str = "",
    without: tuple[str, ...] = ("alert",),
) -> Iterator[Rig]:
    """Start the line with a quote source; ``watch`` is more TOML for its table."""
    port = free_port()
    text = SESSION.format(
        state=directory,
        bootstrap=bootstrap,
        prefix=prefix,
        port=port,
        ties=ties,
        clock=clock,
        watch=watch,
        session=session,
    )
    path = directory / "sorwatch.toml"
    path.write_text(text, "utf-8")
    config = load.load(str(path))
    assert topics.ensure(config.kafka) == []
    line = [c for c in line_of(str(path), quotes[0], directory / "logs") if c.name not in without]
    children = [_with_words(c, quotes[1:]) if c.name == "quotes" else c for c in line]
    started = Rig(directory / "logs", config, children)
    try:
        yield started
    finally:
        started.supervisor.stop()
        topics.delete(config.kafka)


def _with_words(child: Child, words: list[str]) -> Child:
    return structs.replace(child, words=(*child.words, *words))
