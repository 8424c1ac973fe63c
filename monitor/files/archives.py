"""The texts in a file: the file itself, what is compressed in it, or every member of a zip, told by its first bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from monitor.config.toml import Mistake, Mistaken
from monitor.files.compression import DAMAGED, ZIP, unpacked

__all__ = ["DAMAGED", "check", "texts"]


def texts(path: str, kind: str) -> Iterator[tuple[str, BinaryIO]]:
    """Name and bytes of each text; raises `Mistaken`, calling it ``kind``, when there is no file, `DAMAGED` later."""
    with _opened(path, kind) as raw:
        if raw.peek(4)[:4] in ZIP:
            with zipfile.ZipFile(raw) as archive:
                for name in archive.namelist():
                    if not name.endswith("/") and not name.startswith("__MACOSX/"):
                        with archive.open(name) as member:
                            yield f"{path}#{name}", unpacked(member)
        else:
            yield path, unpacked(raw)


def check(path: str, kind: str) -> None:
    """Raises `Mistaken`, calling it ``kind``, when a file cannot be opened; a pipe is not tried, for it opens once."""
    try:
        once = Path(path).expanduser().is_fifo()
    except (OSError, ValueError, RuntimeError):
        once = False
    if not once:
        _opened(path, kind).close()


def _opened(path: str, kind: str) -> Any:
    try:
        return Path(path).expanduser().open("rb")
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Mistaken(path, [Mistake(None, f"{kind} cannot be read: {why}")]) from None
