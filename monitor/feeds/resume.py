"""Where a player stands, kept in a file: killed and started again, it sends the same blocks under the same numbers."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

log = structlog.get_logger()


class Standing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One play of one source."""

    play: str
    """What is played and how; another play starts anew."""
    first: int
    """Number of the first block of this play in every partition."""
    begun: int
    """Time of day at which it began, ns UTC."""
    shift: int = 0
    """Added to every time, ns."""
    done: int = 0
    """Rounds that Kafka has; for a market that goes on, the time up to which it has been told."""
    finished: bool = False


class Position:
    """The standing of a play: what is sent becomes ``done`` once it is acknowledged, and is saved now and then."""

    def __init__(self, path: Path, standing: Standing) -> None:
        self._path = path
        self.standing = standing
        self._sent: deque[tuple[int, int]] = deque()
        self._save()

    def sent(self, token: int, done: int) -> None:
        """When ``token`` is acknowledged, ``done`` holds."""
        self._sent.append((token, done))

    def acknowledged(self, token: int | None, *, finished: bool = False) -> None:
        """Everything up to ``token`` is with Kafka: save where we stand."""
        done = self.standing.done
        while token is not None and self._sent and self._sent[0][0] <= token:
            done = self._sent.popleft()[1]
        if done != self.standing.done or finished:
            self.standing = msgspec.structs.replace(self.standing, done=done, finished=finished)
            self._save()

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self.standing))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def last(path: Path) -> Standing | None:
    """The standing saved last; None when there is none or it cannot be read, which is logged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("position cannot be read, playing from the start", file=str(path), why=str(error))
        return None


def resumed(path: Path, play: str, now: int, from_start: bool) -> Standing:
    """Where to go on: the saved standing of the same unfinished play, else a new one from the start.

    A new play takes block numbers above all earlier ones: microseconds of its begin, or the last play's beginning
    plus its rounds where the clock went back.
    """
    before = last(path)
    if before is not None and before.play == play and not before.finished and not from_start:
        return before
    first = now // 1000
    if before is not None and before.first >= first:
        first = before.first + max(before.done, 1) * 1_000_000
    return Standing(play=play, first=first, begun=now)
