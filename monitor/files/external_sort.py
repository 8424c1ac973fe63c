"""Sorts more than memory holds: in runs, those after the first on disk, merged as they are read."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Any, TypeVar

import msgspec

T = TypeVar("T")


def in_order(items: Iterable[T], key: Callable[[T], Any], kind: Any, run: int) -> Iterator[T]:
    """The items by ``key``, equal ones as they stand, in the memory of one run of so many.

    ``kind`` is the type by which msgspec reads them back from disk.
    """
    each = iter(items)
    first = sorted(islice(each, run), key=key)
    spilt = [_spill(part) for part in iter(lambda: sorted(islice(each, run), key=key), [])]
    if not spilt:
        return iter(first)
    return heapq.merge(first, *(_spilt(file, kind) for file in spilt), key=key)


def _spill(items: list[Any]) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="sorwatch-sort-")  # noqa: SIM115 - lives as long as it is read
    encoder = msgspec.json.Encoder(decimal_format="number")
    for item in items:
        file.write(encoder.encode(item) + b"\n")
    file.seek(0)
    return file


def _spilt(file: IO[bytes], kind: Any) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(kind)
    with file:
        for line in file:
            yield decoder.decode(line)
