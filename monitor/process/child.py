"""One sub-command as a child process that does not outlive its parent, and its log, which does not grow for ever."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from monitor.process.leash import leashed

LOG_BYTES = 16 << 20
"""A log that has grown to this is moved to ``*.log.1``, in place of the one moved before."""
TAIL_BYTES = 64 << 10


class Child(Struct, frozen=True, kw_only=True):
    """What to start: a name for people, the words after ``sorwatch``, and where its log goes."""

    name: str
    words: tuple[str, ...]
    log: Path
    grace_s: float = 15.0
    """How long it may take to stop by itself."""
    health: str | None = None
    """``host:port`` where it answers /healthz; ``None`` when it has no such place."""
    ends: bool = False
    """Whether it may be done one day; one that may not is started again also after exit code 0."""
    command: tuple[str, ...] | None = None
    """The whole command line, for what is no sub-command."""


def start(child: Child, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the child, its standard error appended to its log, its standard output with it."""
    return spawn(child.command or [sys.executable, "-m", "monitor", *child.words], child.log, stdin)


def spawn(command: Sequence[str], log: Path, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start any command so that it ends with us, even when we are killed."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    bound(log)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
        return subprocess.Popen(  # noqa: S603 - our own commands, never a shell
            leashed(list(command)),
            stdin=stdin,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def bound(log: Path, most: int = LOG_BYTES) -> None:
    """Move what a log that has grown too long says aside; who writes it goes on at its beginning.

    It is copied and cut, not renamed: the child has it open, for appending. Lines written between the two are lost.
    A disk that fails here changes nothing: the next look tries again.
    """
    try:
        if log.stat().st_size < most:
            return
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)
    except OSError:
        return


def said(log: Path, since: int, lines: int) -> list[str]:
    """The last lines of a log that were written behind byte ``since``; all of it when it was cut in between."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= size else 0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def size(log: Path) -> int:
    """Bytes in a log; 0 when there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def stop(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """Ask the process to stop, and kill it when it has not within ``grace_s`` seconds; answers its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
