"""Quote blocks: the columns of many NBBO updates as one Arrow record batch, the unit of the ``nbbo`` topic.

Columns ``time`` (int64, ns UTC), ``symbol`` (dictionary of utf8), ``bid``, ``ask`` (int64, 1e-9 of the currency
unit), ``bid_size``, ``ask_size`` (int64, shares); an absent side is null. Rows rise in time within a block. The
schema's metadata names the ``source``, its block number ``n`` (rises within the source and partition, never reused
for other rows), and where the source says so ``through`` (ns: you have everything of mine up to then) and
``ended``. A block without rows is a tick.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Struct

from monitor.events import SCHEMA

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
        pa.DictionaryArray.from_arrays(pa.array(block.symbol), pa.array(block.symbols, pa.utf8())),
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
        symbols=tuple(symbol.dictionary.to_pylist()),
        time=_plain(batch.column("time"), "time"),
        symbol=symbol.indices.to_numpy(zero_copy_only=False),
        through=int(metadata["through"]) if "through" in metadata else None,
        ended=metadata.get("ended") == "1",
        **{name: _filled(batch.column(name)) for name in COLUMNS[2:]},
    )
    _check(block)
    return block


def _check(block: Block) -> None:
    if not len(block):
        return
    if block.symbol.dtype != np.int32 or block.symbol.min() < 0 or block.symbol.max() >= len(block.symbols):
        raise ValueError("symbol is absent or outside its dictionary")
    if (np.diff(block.time) < 0).any():
        raise ValueError("time falls within the block")


def _plain(column: Any, name: str) -> Column:
    if column.type != pa.int64() or column.null_count:
        raise ValueError(f"{name} must be int64 without nulls")
    return column.to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]


def _filled(column: Any) -> Column:
    if column.type != pa.int64():
        raise ValueError("prices and sizes must be int64")
    column = column.fill_null(ABSENT) if column.null_count else column
    return column.to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]


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
