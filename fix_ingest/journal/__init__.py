"""The journal: what came over the drop copy, on disk, in the order in which it counts.

One process writes (`Journal`), any number read and follow (`Reader`). Records lie in segment files named after the
number of their first record. Numbers rise for ever: a new segment is begun at every start, and when the machine has
been restarted since the last one, so that records may have been lost that a reader has already seen, the numbers
jump ahead instead of being used twice.

A record is written with one ``write`` and survives the death of the process when `Journal.append` returns. It
survives the death of the machine once it is forced to disk: at once with ``always``, within 50 ms with ``interval``,
some time with ``never``.
"""

from __future__ import annotations

from fix_ingest.journal.files import segment_path, segments
from fix_ingest.journal.owner import JournalInUse
from fix_ingest.journal.pruning import prune
from fix_ingest.journal.reader import Position, Reader, read_all
from fix_ingest.journal.recovery import NUMBERS_LEFT_OUT
from fix_ingest.journal.writer import SYNC_SECONDS, Journal, Sync

__all__ = [
    "NUMBERS_LEFT_OUT",
    "SYNC_SECONDS",
    "Journal",
    "JournalInUse",
    "Position",
    "Reader",
    "Sync",
    "prune",
    "read_all",
    "record",
    "retention",
    "segment_path",
    "segments",
]
