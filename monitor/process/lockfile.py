"""A file that one process at a time holds: who comes second is told, and the lock goes with the process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


def held(path: Path) -> IO[bytes] | None:
    """The file, made if need be and ours until it is closed or the process ends; ``None`` when another has it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
