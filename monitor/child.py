"""One sub-command as a child process that does not outlive its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from monitor.leash import leashed


class Child(Struct, frozen=True, kw_only=True):
    """What to start: a name for people, the words after ``sorwatch``, and where its log goes."""

    name: str
    words: tuple[str, ...]
    log: Path
    grace_s: float = 15.0
    """How long it may take to stop by itself."""


def start(child: Child, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the sub-command, its standard error appended to its log, its standard output with it."""
    return spawn([sys.executable, "-m", "monitor", *child.words], child.log, stdin)


def spawn(command: Sequence[str], log: Path, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start any command so that it ends with us, even when we are killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - our own commands, never a shell
            leashed(list(command)),
            stdin=stdin,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """Ask the process to stop, and kill it when it has not within ``grace_s`` seconds; answers its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
