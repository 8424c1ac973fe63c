"""The texts in a file: the file itself, what is gzipped in it, or every member of a zip, known by its first bytes."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from monitor.located import Mistake, Mistaken

DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What reading a damaged, encrypted or strangely packed file may raise."""


def texts(path: str, kind: str) -> Iterator[tuple[str, BinaryIO]]:
    """Name and bytes of each text; raises `Mistaken`, calling it ``kind``, when there is no file, `DAMAGED` later."""
    with _opened(path, kind) as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == b"\x1f\x8b":
            yield path, gzip.GzipFile(fileobj=raw)  # type: ignore[misc]  # reads as a BinaryIO does
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive:
                for name in archive.namelist():
                    if not name.endswith("/") and not name.startswith("__MACOSX/"):
                        with archive.open(name) as member:
                            yield f"{path}#{name}", member  # type: ignore[misc]  # zipfile types it IO[bytes]
        else:
            yield path, raw


def _opened(path: str, kind: str) -> BinaryIO:
    try:
        return Path(path).expanduser().open("rb")
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Mistaken(path, [Mistake(None, f"{kind} cannot be read: {why}")]) from None
