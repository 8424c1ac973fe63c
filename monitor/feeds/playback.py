"""Plays files: round after round, at a pace or as fast as possible, and goes on where it stood after a kill."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from monitor.feeds import notation
from monitor.feeds.batches import Round
from monitor.feeds.block_sender import Outbox, Stopped
from monitor.feeds.metrics import Meters
from monitor.feeds.partitioner import Splitter
from monitor.feeds.resume import Position
from monitor.wire.blocks import Block

SAVE_EVERY_S = 0.5


class Pace(Struct, frozen=True, kw_only=True):
    """How fast event time goes by; ``speed`` None: as fast as possible."""

    speed: float | None
    begun: int
    """Time of day at which the first row is due, ns UTC."""

    def due(self, through: int, first: int) -> int:
        """Time of day at which everything up to ``through`` is due."""
        return self.begun + int((through - first) / (self.speed or 1.0))


class Played(Struct, kw_only=True):
    """What became of a play."""

    rounds: int = 0
    first: int | None = None
    """Time of the first row sent by this process."""
    last: int | None = None
    whole: bool = False


def play(
    rounds: Iterable[Round],
    splitter: Splitter,
    outbox: Outbox,
    position: Position,
    pace: Pace,
    meters: Meters,
    stop: threading.Event,
) -> Played:
    """Send every round that Kafka does not have yet; the position is saved as acknowledgements come."""
    played, beginning = Played(), None
    done, saved = position.standing.done, time.monotonic()
    try:
        for number, this in enumerate(rounds):
            beginning = int(this.rows.time[0]) if beginning is None and len(this.rows) else beginning
            blocks = list(splitter.blocks(this))
            if number < done:
                continue
            if stop.is_set() or not _wait(this, beginning, pace, meters, stop):
                break
            for partition, block in blocks:
                outbox.send(partition, _shifted(block, position.standing.shift))
            _account(played, this)
            position.sent(outbox.token, number + 1)
            if time.monotonic() - saved > SAVE_EVERY_S:
                position.acknowledged(outbox.acked())
                saved = time.monotonic()
        else:
            played.whole = True
    except Stopped:
        pass
    settled = outbox.settle()
    played.whole = played.whole and settled
    position.acknowledged(outbox.acked(), finished=played.whole)
    return played


def _wait(this: Round, beginning: int | None, pace: Pace, meters: Meters, stop: threading.Event) -> bool:
    """Wait until the round is due; False when told to stop."""
    if pace.speed is None or this.through is None or beginning is None:
        return True
    due = pace.due(this.through, beginning)
    while (left := due - time.time_ns()) > 0:
        if stop.wait(min(left / 1e9, 1.0)):
            return False
    meters.lag(-left / 1e9)
    return True


def _shifted(block: Block, shift: int) -> Block:
    if shift:
        block.time = block.time + shift
        block.through = None if block.through is None else block.through + shift
    return block


def _account(played: Played, this: Round) -> None:
    played.rounds += 1
    if len(this.rows):
        played.first = int(this.rows.time[0]) if played.first is None else played.first
        played.last = int(this.rows.time[-1])


def fingerprint(notations: Sequence[str], **how: object) -> str:
    """What is played and how: the files as they are on disk, and everything that decides where blocks end."""
    parts = [f"{name}={value}" for name, value in sorted(how.items())]
    for text in notations:
        parts += [text, *(_state(path) for path in notation.files(notation.parse(text)))]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _state(path: Path) -> str:
    status = path.stat() if path.exists() else None
    return f"{path.resolve()} {status and (status.st_size, status.st_mtime_ns)}"
