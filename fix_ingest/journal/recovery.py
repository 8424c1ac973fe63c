"""Where the writer of a journal goes on after the one before it ended, however that was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from fix_ingest.journal.files import segment_path, segments
from fix_ingest.journal.segment import Damage, Frame, Head, Mark, scan

log = structlog.get_logger()

NUMBERS_LEFT_OUT: Final = 1 << 24
"""How far numbers jump after a restart of the machine: more records than can have been lost."""


class Recovered(Struct):
    """What the segments say."""

    next: int
    """Number of the record that comes next."""
    marks: dict[str, Mark]
    """Newest mark of every session."""
    damage: list[Damage]


def recover(directory: Path, *, machine_restarted: bool) -> Recovered:
    """Read the newest segment and cut its torn tail off; a segment without even a head is deleted."""
    found = Recovered(1, {}, [])
    for segment in reversed(segments(directory)):
        path = segment_path(directory, segment)
        if _recover_segment(path, segment, found):
            break
        path.unlink()
    if machine_restarted:
        found.next += NUMBERS_LEFT_OUT
    return found


def _recover_segment(path: Path, segment: int, found: Recovered) -> bool:
    """Take what one segment says; answers False when not even its head is whole and nothing follows."""
    spoke = False
    for part in scan(path.read_bytes(), segment):
        if isinstance(part, Damage):
            _tell(part)
            found.damage.append(part)
            if part.why == "torn tail" and spoke:
                os.truncate(path, part.offset)
            continue
        spoke = True
        if isinstance(part, Head):
            found.marks, found.next = dict(part.marks), part.first
        else:
            _take(part, found)
    return spoke


def _take(frame: Frame, found: Recovered) -> None:
    found.next = frame.record.n + 1
    if frame.mark is not None:
        found.marks[frame.record.session] = Mark(frame.mark, frame.record.seen)


def _tell(damage: Damage) -> None:
    log.error(
        "journal damaged",
        segment=damage.segment,
        offset=damage.offset,
        size=damage.size,
        why=damage.why,
        todo="a torn tail is asked for again from the counterparty; for anything else check the disk",
    )
