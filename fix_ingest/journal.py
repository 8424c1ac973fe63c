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

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import structlog
from msgspec import Struct

from fix_ingest.record import Record, RecordKind
from fix_ingest.segment import Damage, Frame, Head, Mark, decode, encode, encode_head, length, next_whole, scan

log = structlog.get_logger()

Sync = Literal["always", "interval", "never"]
SYNC_SECONDS: Final = 0.05
NUMBERS_LEFT_OUT: Final = 1 << 24
"""How far numbers jump after a restart of the machine: more records than can have been lost."""
_SUFFIX: Final = ".journal"
_CHUNK: Final = 1 << 20


class JournalInUse(OSError):
    """Another process writes this journal."""


class Position(Struct, frozen=True):
    """How far a reader has come."""

    segment: int
    """Number of the segment's first record, which is its name."""
    offset: int
    n: int
    """Number of the last record read; 0 before the first."""


class Journal:
    """The writer. Safe for several threads; one process at a time."""

    def __init__(self, directory: Path, *, segment_bytes: int = 64 << 20, sync: Sync = "interval") -> None:
        """Take the journal over and cut a torn tail off; raises `JournalInUse`, or `OSError` where it cannot write."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.marks: dict[str, Mark] = {}
        self.damage: list[Damage] = []
        self.written = 0
        """Bytes since the start."""
        self._segment_bytes, self._sync = segment_bytes, sync
        self._lock = threading.Lock()
        self._owner = _own(directory)
        self._unsynced_since: float | None = None
        self._failed: OSError | None = None
        self._fd, self._size = -1, 0
        self._next = self._recover()
        self._begin_segment()
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="journal-sync", daemon=True)
        if sync == "interval":
            self._flusher.start()

    @property
    def next(self) -> int:
        """Number of the record that comes next."""
        return self._next

    @property
    def failure(self) -> OSError | None:
        """Why nothing more can be written until a restart; None while all is well."""
        return self._failed

    def unsynced_seconds(self) -> float:
        """Age of the oldest write that was not forced to disk yet."""
        since = self._unsynced_since
        return 0.0 if since is None else time.monotonic() - since

    def append(self, session: str, kind: RecordKind, body: bytes, seen: int, mark: int | None = None) -> int:
        """Write one record and answer its number; ``mark`` is kept for recovery.

        Raises `OSError` (a full disk, say); then nothing of the record is in the journal.
        """
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._size >= self._segment_bytes:
                self._begin_segment()
            n, before = self._next, self._size
            self._put(encode(n, seen, session.encode(), kind, mark, body))
            if self._sync == "always":
                self._force_last(before)
                self._unsynced_since = None
            self._next = n + 1
            if mark is not None:
                self.marks[session] = Mark(mark, seen)
            return n

    def force(self) -> None:
        """Have everything written so far on disk."""
        with self._lock:
            fd, self._unsynced_since = os.dup(self._fd), None
        try:
            os.fdatasync(fd)
        except OSError as error:
            # What the disk took before is unknown from here on: only a restart, which reads it again, can tell.
            self._failed = error
            raise
        finally:
            os.close(fd)

    def close(self) -> None:
        """Force to disk and let the next writer in."""
        self._closing.set()
        if self._flusher.is_alive():
            self._flusher.join()
        self.force()
        os.close(self._fd)
        os.close(self._owner)

    def _put(self, frame: bytes) -> None:
        """All of the frame or nothing of it."""
        try:
            written = os.write(self._fd, frame)
            if written < len(frame):
                written += os.write(self._fd, frame[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        if written < len(frame):
            os.ftruncate(self._fd, self._size)
            raise OSError(28, "the disk took only part of a record")
        self._size += written
        self.written += written
        if self._unsynced_since is None:
            self._unsynced_since = time.monotonic()

    def _force_last(self, before: int) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._failed = error
            os.ftruncate(self._fd, before)
            raise

    def _begin_segment(self) -> None:
        path = self.directory / f"{self._next:020d}{_SUFFIX}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        before = (self._fd, self._size)
        self._fd, self._size = fd, 0
        try:
            self._put(encode_head(Head(self._next, self.marks)))
        except OSError:
            self._fd, self._size = before
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if before[0] >= 0:
            if self._sync != "never":
                os.fdatasync(before[0])
            os.close(before[0])
        if self._sync != "never":
            _force_directory(self.directory)

    def _recover(self) -> int:
        """Number of the next record; marks of the sessions; the newest segment without its torn tail."""
        boot, here = _last_boot(self._owner), _boot()
        number = 1
        for segment in reversed(segments(self.directory)):
            whole = self._recover_segment(segment)
            if whole is not None:
                number = whole
                break
            segment_path(self.directory, segment).unlink()
        if boot is not None and boot != here:
            number += NUMBERS_LEFT_OUT
        os.ftruncate(self._owner, 0)
        os.pwrite(self._owner, here.encode(), 0)
        return number

    def _recover_segment(self, segment: int) -> int | None:
        """What `_recover` needs from one segment; None when not even its head is whole and nothing follows."""
        path = segment_path(self.directory, segment)
        number: int | None = None
        for found in scan(path.read_bytes(), segment):
            if isinstance(found, Head):
                self.marks, number = dict(found.marks), found.first
            elif isinstance(found, Frame):
                number = found.record.n + 1
                if found.mark is not None:
                    self.marks[found.record.session] = Mark(found.mark, found.record.seen)
            else:
                self._tell(found)
                if found.why == "torn tail" and number is not None:
                    os.truncate(path, found.offset)
        return number

    def _tell(self, damage: Damage) -> None:
        self.damage.append(damage)
        log.error(
            "journal damaged",
            segment=damage.segment,
            offset=damage.offset,
            size=damage.size,
            why=damage.why,
            todo="a torn tail is asked for again from the counterparty; for anything else check the disk",
        )

    def _flush_often(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            if self._unsynced_since is not None:
                try:
                    self.force()
                except OSError as error:
                    log.critical("journal cannot be forced to disk", error=str(error), todo="check the disk, restart")
                    return


class Reader:
    """Reads a journal from a position on and follows it while it grows."""

    def __init__(self, directory: Path, position: Position | None = None) -> None:
        """Begin behind ``position``, or at the oldest record there is."""
        self.directory = directory
        self.position = position if position is not None else Position(0, 0, 0)
        self._damage: list[Damage] = []

    def read(self, limit: int) -> list[Record]:
        """The next records, at most ``limit``; an empty list at the end of the journal."""
        records: list[Record] = []
        while len(records) < limit:
            following = self._following()
            progress = self._read_segment(records, limit, last=following is None)
            if not progress and following is None:
                break
            if not progress and following is not None:
                self._enter(following)
        return records

    def damage(self) -> list[Damage]:
        """The damage met since this was last asked."""
        met, self._damage = self._damage, []
        return met

    def backlog(self) -> int:
        """Bytes of the journal that have not been read."""
        ahead = [s for s in segments(self.directory) if s >= self.position.segment]
        sizes = [_size(segment_path(self.directory, s)) for s in ahead]
        inside = self.position.offset if ahead[:1] == [self.position.segment] else 0
        return max(0, sum(sizes) - inside)

    def _following(self) -> int | None:
        """The segment after the present one, asked before that is read: what is missing in it then stays missing."""
        return next((s for s in segments(self.directory) if s > self.position.segment), None)

    def _enter(self, segment: int) -> None:
        self.position = Position(segment, 0, self.position.n)

    def _read_segment(self, records: list[Record], limit: int, *, last: bool) -> bool:
        """Read on in the present segment; answers whether anything was got out of it."""
        data = self._chunk(_CHUNK)
        if not data:
            return False
        used = self._take(data, records, limit)
        if used == 0:
            used = self._take_large_or_damaged(records, limit, last=last)
        return used > 0

    def _take(self, data: bytes, records: list[Record], limit: int) -> int:
        """Whole frames from the beginning of ``data``; answers how many bytes they are."""
        offset, n = 0, self.position.n
        while len(records) < limit:
            found = decode(data, offset)
            if isinstance(found, Frame):
                records.append(found.record)
                offset, n = found.end, found.record.n
            elif found is not None:
                offset += length(data, offset)
            else:
                break
        self.position = Position(self.position.segment, self.position.offset + offset, n)
        return offset

    def _take_large_or_damaged(self, records: list[Record], limit: int, *, last: bool) -> int:
        """No whole frame in a chunk: a long one, one being written, or damage, which is skipped and kept."""
        data = self._chunk(None)
        used = self._take(data, records, limit)
        if used > 0:
            return used
        whole = next_whole(data, 1)
        if whole is None and last:
            return 0
        size = len(data) if whole is None else whole
        at = self.position
        self._damage.append(Damage(at.segment, at.offset, size, "not a record" if whole is not None else "torn tail"))
        self.position = Position(at.segment, at.offset + size, at.n)
        return size

    def _chunk(self, size: int | None) -> bytes:
        try:
            with segment_path(self.directory, self.position.segment).open("rb") as file:
                file.seek(self.position.offset)
                return file.read(-1 if size is None else size)
        except FileNotFoundError:
            return b""


def segments(directory: Path) -> list[int]:
    """First numbers of the segments there are, oldest first."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - names, not Path objects: a reader asks every few milliseconds
    except FileNotFoundError:
        return []
    return sorted(int(name[: -len(_SUFFIX)]) for name in names if name.endswith(_SUFFIX))


def segment_path(directory: Path, segment: int) -> Path:
    """File of the segment whose first number is given."""
    return directory / f"{segment:020d}{_SUFFIX}"


def read_all(directory: Path) -> Iterator[Record]:
    """Every record there is now, oldest first."""
    reader = Reader(directory)
    while records := reader.read(10_000):
        yield from records


def prune(directory: Path, published: Position, *, keep_bytes: int | None, keep_ns: int | None, now: int) -> list[Path]:
    """Delete segments that lie wholly before ``published``, oldest first, while the journal is too big or too old.

    Sizes count the whole journal; age is that of a segment's last write, both against ``now`` (ns UTC). Answers the
    deleted files. With neither limit nothing is deleted.
    """
    deleted = []
    files = [(s, segment_path(directory, s)) for s in segments(directory)]
    total = sum(_size(path) for _, path in files)
    for segment, path in files:
        too_big = keep_bytes is not None and total > keep_bytes
        too_old = keep_ns is not None and now - path.stat().st_mtime_ns > keep_ns
        if segment >= published.segment or not (too_big or too_old):
            break
        total -= _size(path)
        path.unlink()
        deleted.append(path)
    return deleted


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _own(directory: Path) -> int:
    """The lock file, locked until the process ends; raises `JournalInUse`."""
    fd = os.open(directory / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise JournalInUse(
            11, f"another process writes the journal in {directory}; stop it, or give this one a `state` of its own"
        ) from None
    return fd


def _last_boot(owner: int) -> str | None:
    return os.pread(owner, 200, 0).decode(errors="replace") or None


def _boot() -> str:
    """Names the running of the machine: another one means that what was not forced to disk may be gone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def _force_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
