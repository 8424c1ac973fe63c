"""Quote blocks: the columns of many NBBO updates as one Arrow record batch, the unit of the ``nbbo`` topic.

Columns ``time`` (int64, ns UTC), ``symbol`` (dictionary of utf8), ``bid``, ``ask`` (int64, 1e-9 of the currency
unit), ``bid_size``, ``ask_size`` (int64, shares); an absent side is null. Rows rise in time within a block. The
schema's metadata names the ``source``, its block number ``n`` (rises within the source and partition, never reused
for other rows), and where the source says so ``through`` (ns: you have everything of mine up to then) and
``ended``. A block without rows is a tick.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Struct

from monitor.wire.events import SCHEMA

Column = npt.NDArray[np.int64]

ABSENT = np.iinfo(np.int64).min
"""Stands for null in the integer columns of a block in memory."""

_INDEX = pa.dictionary(pa.int32(), pa.utf8())
_FIELDS = [("time", pa.int64()), ("symbol", _INDEX), ("bid", pa.int64()), ("ask", pa.int64())]
_FIELDS += [("bid_size", pa.int64()), ("ask_size", pa.int64())]
COLUMNS = tuple(name for name, _ in _FIELDS)


class UnreadableBlock(ValueError):
    """Bytes on ``nbbo`` that are not a block; says what is wrong with them."""


class Block(Struct, kw_only=True, eq=False):
    """The rows of one message of ``nbbo``, as columns of equal length."""

    source: str
    n: int
    symbols: tuple[str, ...] = ()
    time: Column = np.empty(0, np.int64)
    symbol: npt.NDArray[np.int32] = np.empty(0, np.int32)
    """Index into ``symbols``."""
    bid: Column = np.empty(0, np.int64)
    ask: Column = np.empty(0, np.int64)
    bid_size: Column = np.empty(0, np.int64)
    ask_size: Column = np.empty(0, np.int64)
    through: int | None = None
    """The source's tick: everything of it up to here has been sent to this partition."""
    ended: bool = False
    """The source has nothing more to say."""

    def __len__(self) -> int:
        return len(self.time)


def encode(block: Block) -> bytes:
    """The block as an Arrow IPC stream of one record batch."""
    arrays = [
        pa.array(block.time),
        pa.DictionaryArray.from_arrays(pa.array(block.symbol), _dictionary(block.symbols)),
        *(_nullable(getattr(block, name)) for name in COLUMNS[2:]),
    ]
    schema = pa.schema(_FIELDS, metadata=_metadata(block))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    return bytes(sink.getvalue())


def decode(message: bytes) -> Block:
    """Read a block, without copying where no side is absent; raises `UnreadableBlock`."""
    try:
        with pa.ipc.open_stream(message) as reader:
            batch = reader.read_next_batch()
        return _block(batch)
    except (pa.ArrowException, KeyError, ValueError, StopIteration) as error:
        raise UnreadableBlock(f"not a quote block: {error}") from error


def _block(batch: Any) -> Block:
    metadata = {k.decode(): v.decode() for k, v in (batch.schema.metadata or {}).items()}
    symbol = batch.column("symbol")
    block = Block(
        source=metadata["source"],
        n=int(metadata["n"]),
        symbols=_names(symbol.dictionary),
        time=_plain(batch.column("time"), "time"),
        symbol=symbol.indices.to_numpy(zero_copy_only=False),
        through=int(metadata["through"]) if "through" in metadata else None,
        ended=metadata.get("ended") == "1",
        **{name: _filled(batch.column(name)) for name in COLUMNS[2:]},
    )
    _check(block)
    return block


_dictionaries: OrderedDict[int, tuple[tuple[str, ...], Any]] = OrderedDict()
_known: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()
_KEPT = 64


def _dictionary(symbols: tuple[str, ...]) -> Any:
    """The names as an Arrow array, made once for a tuple that comes again."""
    known = _dictionaries.get(id(symbols))
    if known is not None and known[0] is symbols:
        _dictionaries.move_to_end(id(symbols))
        return known[1]
    array = pa.array(symbols, pa.utf8())
    _dictionaries[id(symbols)] = (symbols, array)
    if len(_dictionaries) > _KEPT:
        _dictionaries.popitem(last=False)
    return array


def _names(dictionary: Any) -> tuple[str, ...]:
    """The dictionary as a tuple, the same object for equal dictionaries that come one after the other.

    A source sends the same symbols with every block: turning 3,000 of them into strings costs more than all the
    rest of a block, and whoever maps them to places of its own may keep that by the tuple's identity.
    """
    if dictionary.type != pa.utf8() or dictionary.offset or dictionary.null_count:
        return tuple(str(name) for name in dictionary.to_pylist())
    _, offsets, letters = dictionary.buffers()
    ends = np.frombuffer(offsets, np.int32, len(dictionary) + 1) if offsets is not None else np.zeros(1, np.int32)
    key = ends.tobytes() + (b"" if letters is None else bytes(memoryview(letters)[: ends[-1]]))
    names = _known.get(key)
    if names is None:
        names = _known[key] = tuple(dictionary.to_pylist())
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    else:
        _known.move_to_end(key)
    return names


def _check(block: Block) -> None:
    if not len(block):
        return
    if block.symbol.dtype != np.int32 or block.symbol.min() < 0 or block.symbol.max() >= len(block.symbols):
        raise ValueError("symbol is absent or outside its dictionary")
    if (block.time[1:] < block.time[:-1]).any():
        raise ValueError("time falls within the block")


def _plain(column: Any, name: str) -> Column:
    if column.type != pa.int64() or column.null_count:
        raise ValueError(f"{name} must be int64 without nulls")
    values: Column = column.to_numpy(zero_copy_only=True)
    return values


def _filled(column: Any) -> Column:
    if column.type != pa.int64():
        raise ValueError("prices and sizes must be int64")
    column = column.fill_null(ABSENT) if column.null_count else column
    values: Column = column.to_numpy(zero_copy_only=True)
    return values


def _nullable(column: Column) -> Any:
    absent = column == ABSENT
    return pa.array(column, mask=absent) if absent.any() else pa.array(column)


def _metadata(block: Block) -> dict[str, str]:
    metadata = {"schema": str(SCHEMA), "source": block.source, "n": str(block.n)}
    if block.through is not None:
        metadata["through"] = str(block.through)
    if block.ended:
        metadata["ended"] = "1"
    return metadata
