"""A supervisor of child processes.

Each process is a child of its own, restarted when it dies, later each time it dies soon again, and killed and
restarted when it answers no health check, or has called itself unhealthy, for long. A child that calls its
configuration wrong (exit code 2) is not restarted: that would only repeat the mistake, so everything stops and says
what the child said.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from monitor.process import child, command_line, health_poll
from monitor.process.child import Child

log = structlog.get_logger()

SOON_S = 10.0
"""A child that lived no longer than this is restarted more slowly each time."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
HUNG_S = 60.0
"""A child that has answered no /healthz for so long is killed and started again."""
UNHEALTHY_S = 300.0
"""So is one that has been unhealthy for so long in a way that a restart helps against (not while Kafka is away)."""
BOUND_S = 5.0
"""How often the sizes of the logs are looked at."""
LINES_SHOWN = 12
"""How many of the last lines of a child's log are told when it is configured wrongly."""


class Run(Struct):
    """One child as it is now."""

    child: Child
    process: subprocess.Popen[bytes]
    since: float
    log_from: int
    """Where in its log this start's lines begin."""
    wait_s: float = FIRST_WAIT_S
    again_at: float | None = None
    """When it is to be started again; ``None`` while it runs."""
    restarts: int = 0
    unhealthy_since: float | None = None
    """Since when its /healthz has said so; ``None`` while it is healthy, or has not said anything."""
    stuck_since: float | None = None
    """Since when it has been unhealthy in a way that a restart helps against."""


class Supervisor:
    """Keeps children running until told to stop; ``check`` is called a few times a second, by one thread."""

    def __init__(
        self,
        children: Sequence[Child],
        now: Callable[[], float] = time.monotonic,
        *,
        hung_s: float = HUNG_S,
        unhealthy_s: float = UNHEALTHY_S,
    ) -> None:
        self._now, self._hung_s, self._unhealthy_s = now, hung_s, unhealthy_s
        self.runs: dict[str, Run] = {}
        self.mistaken: str | None = None
        self.failed: str | None = None
        """What a child that misses something it needs (exit code 69) said, until it is started again."""
        self._checkup = health_poll.HealthPoll(min(health_poll.EVERY_S, hung_s / 4), now)
        self._bound_due = now() + BOUND_S
        self.add(children)

    def add(self, children: Sequence[Child]) -> None:
        """Start more children; they stop after those that are there already."""
        for each in children:
            process, log_from = _begin(each)
            self.runs[each.name] = Run(each, process, self._now(), log_from)
            if (address := _asked_at(each)) is not None:
                self._checkup.add(each.name, address)

    def check(self) -> None:
        """Notice the dead and the hung, and start again those whose wait is over."""
        for name, run in self.runs.items():
            if run.again_at is not None:
                if self._now() >= run.again_at:
                    self._restart(run)
            elif (code := run.process.poll()) is not None:
                self._died(name, run, code)
            else:
                self._look(name, run)
        if self._now() >= self._bound_due:
            self._bound_due = self._now() + BOUND_S
            for run in self.runs.values():
                child.bound(run.child.log)

    def said(self, name: str, lines: int = 1) -> list[str]:
        """The last lines a child has written to its log since it was last started."""
        run = self.runs[name]
        return child.said(run.child.log, run.log_from, lines)

    def health(self, name: str) -> health_poll.Answer | None:
        """What a child said last of its health; ``None`` when it has not been heard."""
        return self._checkup.last(name)

    def stop(self) -> None:
        """Stop the children in the order they were started in, each after the one before has ended."""
        self._checkup.close()
        for name, run in self.runs.items():
            if run.process.poll() is None and child.stop(run.process, run.child.grace_s) == -signal.SIGKILL:
                log.warning("did not stop in time and was killed; nothing is lost by it", child=name)

    def _look(self, name: str, run: Run) -> None:
        """Log when a child becomes unhealthy or healthy; kill one that has been silent or unhealthy for long."""
        last = self._checkup.last(name)
        if last is not None and last.at >= run.since:
            self._log_health(name, run, last)
        answered = max(run.since, last.at if last is not None else run.since)
        if _asked_at(run.child) is not None and self._now() - answered >= self._hung_s:
            log.error(f"no health answer for {self._now() - answered:.0f} s, killing it", child=name)
            run.process.kill()
        elif run.stuck_since is not None and self._now() - run.stuck_since >= self._unhealthy_s:
            log.error(f"unhealthy for {self._now() - run.stuck_since:.0f} s, restarting it", child=name)
            run.process.kill()

    def _log_health(self, name: str, run: Run, last: health_poll.Answer) -> None:
        stuck = not last.ok and last.restart_helps
        run.stuck_since = (run.stuck_since or last.at) if stuck else None
        if last.ok and run.unhealthy_since is not None:
            run.unhealthy_since = None
            log.info("healthy again", child=name)
        elif not last.ok and run.unhealthy_since is None:
            run.unhealthy_since = last.at
            log.warning("unhealthy", child=name, why=last.why, log=str(run.child.log))

    def _died(self, name: str, run: Run, code: int) -> None:
        if code == command_line.USAGE:
            lines = "\n  ".join(self.said(name, LINES_SHOWN))
            self.mistaken = f"{name} is configured wrongly. It says ({run.child.log}):\n  {lines}"
            run.again_at = float("inf")
            return
        if code == command_line.OK and run.child.ends:
            log.info("finished", child=name)
            run.again_at = float("inf")
            return
        lived = self._now() - run.since
        run.wait_s = min(run.wait_s * 2, LONGEST_WAIT_S) if lived < SOON_S else FIRST_WAIT_S
        run.again_at = self._now() + run.wait_s
        said = self._last_word(name)
        if code == command_line.UNAVAILABLE:
            self.failed = f"{name}: {said}"
        log.error(
            "died, starting it again",
            child=name,
            exit_code=code,
            after_s=round(lived, 1),
            again_in_s=round(run.wait_s, 1),
            said=said,
            log=str(run.child.log),
        )

    def _last_word(self, name: str) -> str:
        """The last line that is more than information, else the last one: threads go on talking beside an error."""
        lines = self.said(name, LINES_SHOWN)
        graver = [line for line in lines if '"level": "info"' not in line]
        return (graver or lines or [""])[-1]

    def _restart(self, run: Run) -> None:
        try:
            run.process, run.log_from = _begin(run.child)
        except OSError as error:
            # no memory, no process numbers, no disk: the other children must not die of it
            run.wait_s = LONGEST_WAIT_S
            run.again_at = self._now() + run.wait_s
            log.error("cannot be started, trying again", child=run.child.name, why=str(error))  # noqa: TRY400 - says all
            return
        run.since, run.again_at, run.unhealthy_since, run.stuck_since = self._now(), None, None, None
        run.restarts += 1
        self.failed = None


def _begin(each: Child) -> tuple[subprocess.Popen[bytes], int]:
    """The started child, and where in its log it begins."""
    child.bound(each.log)
    written = child.size(each.log)
    return child.start(each), written


def _asked_at(each: Child) -> str | None:
    """Where its health is asked; a port chosen by the system is not known here."""
    return None if each.health is None or each.health.endswith(":0") else each.health
