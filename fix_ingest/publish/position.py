"""How far a journal has been published, on disk: what a restarted publisher goes on from."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO

import msgspec
import structlog
from msgspec import Struct

from fix_ingest.journal import Position, segments
from monitor.config.toml import Mistake, Mistaken
from monitor.process.lockfile import held

log = structlog.get_logger()
VERSION = 1
RETRY_S = 1.0
"""How long a disk that failed is left alone."""


class Saved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything at one instant of publishing; it is written once Kafka has acknowledged all that came before."""

    version: int = VERSION
    source: str
    position: Position
    """Where the reader goes on."""
    chain: tuple[int, ...]
    """Last number sent to each partition: ``prev`` of the next message."""
    decoder: bytes
    """The decoder's memory before the next record."""
    newest: int | None
    gone: dict[str, bool]


class InUse(RuntimeError):
    """Another process publishes from this state directory."""


def own(directory: Path) -> IO[bytes]:
    """A lock that is held while the answer is open and the process lives; raises `InUse`."""
    file = held(directory / "lock")
    if file is None:
        raise InUse(f"another process publishes from {directory}: stop it, or give this one a `state` of its own")
    return file


def save(path: Path, saved: Saved) -> None:
    """Replace the file as a whole, and have it on disk."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.msgpack.encode(saved))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Scribe:
    """Writes positions in a thread of its own, so that a slow disk holds nothing up; of several only the newest."""

    def __init__(self, path: Path, position: Position | None = None) -> None:
        """``position`` is what stands in the file already."""
        self.why = ""
        """Why the last attempt failed, empty when it did not."""
        self.written: int | None = None
        """Number of the last record on disk as published, since the start."""
        self.position = position
        """Where a publisher that starts now would go on; ``None`` at the beginning."""
        self._path = path
        self._news = threading.Condition()
        self._next: Saved | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="position", daemon=True)
        self._thread.start()

    def put(self, saved: Saved) -> None:
        """Have this written soon, in place of any that is not yet."""
        with self._news:
            self._next = saved
            self._news.notify()

    def close(self) -> None:
        """Write what is left, once, and end."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()

    def _write(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._next is not None or self._closing)
                saved, self._next = self._next, None
                last = self._closing
            if saved is None:
                return
            if not self._try(saved) and not last:
                with self._news:
                    self._next = self._next or saved
                    self._news.wait_for(lambda: self._closing, RETRY_S)

    def _try(self, saved: Saved) -> bool:
        try:
            save(self._path, saved)
        except OSError as error:
            self.why = f"the position cannot be written to {self._path}: {error.strerror}: make room, check the disk"
            log.error(self.why)  # noqa: TRY400 - an OSError of the disk needs no traceback
            return False
        self.why = ""
        self.written = saved.position.n
        self.position = saved.position
        return True


def load(path: Path, source: str, partitions: int, journal: Path) -> Saved | None:
    """The saved position; ``None`` at the beginning, or when it is unreadable (then everything is sent again).

    Sending again loses nothing: readers know repeats by their numbers. Raises `Mistaken` when the position belongs to
    another source, another number of partitions, or a journal that is not there any more.
    """
    try:
        saved = msgspec.msgpack.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        aside = path.with_name(path.name + ".unreadable")
        log.exception("the position cannot be read; everything is sent again", path=str(path), kept=str(aside))
        if isinstance(error, OSError):
            raise
        path.replace(aside)
        return None
    wrong = _contradiction(saved, source, partitions, journal)
    if wrong is not None:
        raise Mistaken(str(path), [Mistake(None, wrong)])
    return saved


def _contradiction(saved: Saved, source: str, partitions: int, journal: Path) -> str | None:
    if saved.source != source:
        return f"belongs to listen.source {saved.source!r}, the settings say {source!r}: one state directory a source"
    if len(saved.chain) != partitions:
        return f"belongs to {len(saved.chain)} partitions, kafka.partitions is {partitions}: it cannot be changed"
    there = segments(journal)
    if there and there[-1] < saved.position.segment:
        return (
            f"is ahead of the journal in {journal} (record {saved.position.n}): was the journal deleted? Its numbers "
            "begin again and would be taken for repeats: choose a new listen.source and state directory"
        )
    return None
