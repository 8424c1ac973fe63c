"""Where results go: a file, a device, standard output; never over something that is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from monitor.config.toml import Mistake, Mistaken

STANDARD_OUTPUT = "-"
_ITS_NAMES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def place(path: str | None) -> str | None:
    """The place as it was named; the names that systems have for standard output are `STANDARD_OUTPUT`."""
    return STANDARD_OUTPUT if path in _ITS_NAMES else path


def real(path: str) -> Path | None:
    """The file that is to be replaced, links followed; None for what is no file; raises `Mistaken` for a folder."""
    if path == STANDARD_OUTPUT:
        return None
    try:
        named = Path(path).expanduser()
        if path == "" or named.is_dir():
            raise Mistaken(path, [Mistake(None, "cannot be written: it " + ("is a folder" if path else "has no name"))])
        return None if named.exists() and not named.is_file() else named.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, Mistaken):
            raise
        raise Mistaken(path, [Mistake(None, f"cannot be written: {error}")]) from None


def same(one: str, other: str) -> bool:
    """Whether both are one place; what is written to /dev/null is nowhere."""
    return one == other != os.devnull or (real(one) is not None and real(one) == real(other))


def spare(outputs: Iterable[str | None], inputs: Iterable[str | Path]) -> None:
    """Raises `Mistaken` when an output is one of the files that are read: it would be replaced by the results."""
    read = {identity for path in inputs if (identity := _identity(path)) is not None}
    for output in outputs:
        if output is not None and real(output) is not None and _identity(output) in read:
            what = "is read by this replay and would be overwritten: name another file"
            raise Mistaken(output, [Mistake(None, what)])


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = Path(path).expanduser().stat()
    except (OSError, ValueError, RuntimeError):
        return None
    return found.st_dev, found.st_ino
