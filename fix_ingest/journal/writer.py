"""Writing a journal."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final, Literal

import structlog

from fix_ingest.journal.files import force_directory, segment_path
from fix_ingest.journal.owner import machine_restarted, note_boot, own
from fix_ingest.journal.record import RecordKind
from fix_ingest.journal.recovery import recover
from fix_ingest.journal.segment import Head, Mark, encode, encode_head

log = structlog.get_logger()

Sync = Literal["always", "interval", "never"]
SYNC_SECONDS: Final = 0.05


class Journal:
    """The writer. Safe for several threads; one process at a time."""

    def __init__(self, directory: Path, *, segment_bytes: int = 64 << 20, sync: Sync = "interval") -> None:
        """Take the journal over and cut a torn tail off; raises `JournalInUse`, or `OSError` where it cannot write."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.written = 0
        """Bytes since the start."""
        self._segment_bytes, self._sync = segment_bytes, sync
        self._lock = threading.Lock()
        self._unsynced_since: float | None = None
        self._failed: OSError | None = None
        self._fd, self._size = -1, 0
        self._owner = own(directory)
        recovered = recover(directory, machine_restarted=machine_restarted(self._owner))
        note_boot(self._owner)
        self.marks, self.damage, self._next = recovered.marks, recovered.damage, recovered.next
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
        self._owner.close()

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
        old = self._fd
        self._open_segment()
        try:
            if self._sync != "never":
                if old >= 0:
                    os.fdatasync(old)
                force_directory(self.directory)
        except OSError as error:
            # as in `force`: what the disk took is unknown, and only a restart can tell
            self._failed = error
            raise
        finally:
            if old >= 0:
                os.close(old)

    def _open_segment(self) -> None:
        """Write on in a new file that begins with a head; where that fails, in the old one."""
        path = segment_path(self.directory, self._next)
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

    def _flush_often(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            if self._unsynced_since is not None:
                try:
                    self.force()
                except OSError as error:
                    log.critical("journal cannot be forced to disk", error=str(error), todo="check the disk, restart")
                    return
