"""A file's tables in order of time: streamed where the file is in order, else read whole and sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from monitor.feeds.quote_table import Names, Table, join
from monitor.wire.blocks import Column

log = structlog.get_logger()


def in_order(name: str, read: Callable[[], Iterator[Table]], times: Callable[[], Iterator[Column]]) -> Iterator[Table]:
    """Tables in order of time; ``times`` looks through the file beforehand, for its times alone.

    So a file of any size that is in order takes memory for one piece; one that is not is sorted in memory, stably.
    """
    if _rising(times()):
        yield from _counted(name, read())
        return
    log.warning("not in order of time: read whole and sorted, rows of equal time stay as they stand", file=name)
    names = Names()
    yield join([names.number(table) for table in read()], names).sorted()


def _counted(name: str, tables: Iterator[Table]) -> Iterator[Table]:
    rows = 0
    for table in tables:
        rows += len(table)
        yield table
    if rows == 0:
        log.warning("no quotes in this file", file=name)


def _rising(times: Iterator[Column]) -> bool:
    last = None
    for part in times:
        if len(part) and ((last is not None and part[0] < last) or (part[1:] < part[:-1]).any()):
            return False
        last = part[-1] if len(part) else last
    return True
