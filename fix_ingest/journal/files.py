"""The segment files of a journal: their names, sizes and directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".journal"


def segments(directory: Path) -> list[int]:
    """First numbers of the segments there are, oldest first."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - names, not Path objects: a reader asks every few milliseconds
    except FileNotFoundError:
        return []
    return sorted(int(name[: -len(_SUFFIX)]) for name in names if name.endswith(_SUFFIX))


def segment_path(directory: Path, segment: int) -> Path:
    """File of the segment whose first number is given."""
    return directory / f"{segment:020d}{_SUFFIX}"


def size(path: Path) -> int:
    """Bytes of a segment; 0 when it has been pruned meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def force_directory(directory: Path) -> None:
    """Have the names in a directory on disk."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
