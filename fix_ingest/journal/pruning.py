"""Deleting what was published."""

from __future__ import annotations

from pathlib import Path

from fix_ingest.journal.files import segment_path, segments, size
from fix_ingest.journal.reader import Position


def prune(directory: Path, published: Position, *, keep_bytes: int | None, keep_ns: int | None, now: int) -> list[Path]:
    """Delete segments that lie wholly before ``published``, oldest first, while the journal is too big or too old.

    Sizes count the whole journal; age is that of a segment's last write, both against ``now`` (ns UTC). Answers the
    deleted files. With neither limit nothing is deleted.
    """
    deleted = []
    files = [(s, segment_path(directory, s)) for s in segments(directory)]
    total = sum(size(path) for _, path in files)
    for segment, path in files:
        too_big = keep_bytes is not None and total > keep_bytes
        too_old = keep_ns is not None and now - path.stat().st_mtime_ns > keep_ns
        if segment >= published.segment or not (too_big or too_old):
            break
        total -= size(path)
        path.unlink()
        deleted.append(path)
    return deleted
