"""Compressed files, known by their first bytes: gzip, bzip2, xz, zstd and LZ4 frames."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from typing import Any, BinaryIO

import pyarrow as pa

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip begins, and one that holds nothing."""
_STRANGE = (NotImplementedError, RuntimeError)
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException, *_STRANGE)
"""What reading a damaged, encrypted or strangely packed file may raise."""
_MAGIC_LENGTH = 6
_BY_ARROW = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}


def unpacked(file: Any) -> BinaryIO:
    """What is in a file that can be peeked into; the file itself when it is not compressed; `DAMAGED` when read."""
    magic: bytes = file.peek(_MAGIC_LENGTH)[:_MAGIC_LENGTH]
    plain: Any = file
    if magic.startswith(b"\x1f\x8b"):
        plain = gzip.GzipFile(fileobj=file)
    elif magic.startswith(b"BZh"):
        plain = bz2.BZ2File(file)
    elif magic == b"\xfd7zXZ\x00":
        plain = lzma.LZMAFile(file)  # noqa: SIM115 - lives as long as the file it reads
    elif (how := _BY_ARROW.get(magic[:4])) is not None:
        plain = io.BufferedReader(_Arrow(pa.input_stream(file, compression=how)))
    found: BinaryIO = plain
    return found


class _Arrow(io.RawIOBase):
    """Arrow's stream as Python's own, so that lines can be read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        more: bytes = self._stream.read(len(buffer))
        buffer[: len(more)] = more
        return len(more)
