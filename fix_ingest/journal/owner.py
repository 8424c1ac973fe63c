"""The lock file of a journal's only writer, which also says during which running of the machine it last wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from monitor.process.lockfile import held


class JournalInUse(OSError):
    """Another process writes this journal."""


def own(directory: Path) -> IO[bytes]:
    """The lock file, locked until it is closed or the process ends; raises `JournalInUse`."""
    file = held(directory / "writer.lock")
    if file is None:
        raise JournalInUse(
            11, f"another process writes the journal in {directory}; stop it, or give this one a `state` of its own"
        )
    return file


def machine_restarted(owner: IO[bytes]) -> bool:
    """Whether the machine was restarted since a writer last wrote here: what was not forced to disk may be gone."""
    last = os.pread(owner.fileno(), 200, 0).decode(errors="replace")
    return last not in ("", _boot())


def note_boot(owner: IO[bytes]) -> None:
    """Say that a writer writes during this running of the machine."""
    os.ftruncate(owner.fileno(), 0)
    os.pwrite(owner.fileno(), _boot().encode(), 0)


def _boot() -> str:
    """Names the running of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"
