"""The lock file of a journal's only writer, which also says during which running of the machine it last wrote."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class JournalInUse(OSError):
    """Another process writes this journal."""


def own(directory: Path) -> int:
    """The lock file, locked until it is closed or the process ends; raises `JournalInUse`."""
    fd = os.open(directory / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise JournalInUse(
            11, f"another process writes the journal in {directory}; stop it, or give this one a `state` of its own"
        ) from None
    return fd


def machine_restarted(owner: int) -> bool:
    """Whether the machine was restarted since a writer last wrote here: what was not forced to disk may be gone."""
    last = os.pread(owner, 200, 0).decode(errors="replace")
    return last not in ("", _boot())


def note_boot(owner: int) -> None:
    """Say that a writer writes during this running of the machine."""
    os.ftruncate(owner, 0)
    os.pwrite(owner, _boot().encode(), 0)


def _boot() -> str:
    """Names the running of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"
