"""Deletes old journal segments that are wholly published, by the rule of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from fix_ingest.journal import Position, prune, segment_path, segments

log = structlog.get_logger()

EVERY_S = 30.0
"""How often the journal is looked at."""
_DAY_NS = 86_400 * 10**9


class Pruner:
    """Keeps a journal within its age and size; never touches what a restart would read.

    ``days`` counts from the last write to a segment, ``most_bytes`` the whole journal (``None``: no limit).
    """

    def __init__(
        self,
        directory: Path,
        days: float,
        most_bytes: int | None,
        *,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.segments = self.bytes = 0
        """Deleted since the start."""
        self._directory, self._most_bytes = directory, most_bytes
        self._kept_ns = int(days * _DAY_NS)
        self._now, self._monotonic = now, monotonic
        self._due = float("-inf")

    def look(self, published: Position | None) -> None:
        """Delete what is too old or too much, up to the position that stands on disk; does nothing between two looks.

        A disk that fails is told and asked again at the next look.
        """
        if published is None or self._monotonic() < self._due:
            return
        self._due = self._monotonic() + EVERY_S
        before = self.size()
        try:
            gone = prune(
                self._directory, published, keep_bytes=self._most_bytes, keep_ns=self._kept_ns, now=self._now()
            )
        except OSError as error:
            log.error("an old part of the journal cannot be deleted", why=str(error), todo="check the disk and rights")  # noqa: TRY400 - an OSError of the disk needs no traceback
            return
        if gone:
            self.segments += len(gone)
            self.bytes += max(before - self.size(), 0)
            log.info("deleted old parts of the journal", segments=[path.name for path in gone])

    def size(self) -> int:
        """Bytes of the journal."""
        total = 0
        for segment in segments(self._directory):
            try:
                total += segment_path(self._directory, segment).stat().st_size
            except FileNotFoundError:
                continue
        return total
