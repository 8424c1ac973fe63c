"""An engine's state as bytes: everything but the quotes that are not settled, which are read again.

After a restore time stands at the settled time, not at the newest watermark that had been seen: until the blocks
from `Engine.first_unsettled` on have been read again, a source of quotes that had some waiting vouches for nothing
beyond it. Restoring the watermark instead made time move past blocks not read yet, and joins went wrong.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from monitor.engine.fix_sessions import Sessions
from monitor.engine.joined import Joined
from monitor.engine.sequencer import Source
from monitor.wire.events import OrderKind, SessionKind

FORM = 4
"""Version of the state; raised with every change of what is kept."""


class UnreadableSnapshot(ValueError):
    """A snapshot that this version cannot go on from."""


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of an engine."""

    settled: int | None
    base: int | None
    symbols: list[str]
    columns: bytes
    reports: dict[str, Source]
    """Sources of reports by name."""
    quotes: dict[str, Source]
    """Sources of quotes by name."""
    read_until: dict[str, int]
    """By source of quotes: the newest block that had been read."""
    held: list[OrderKind | SessionKind]
    families: list[bytes]
    parked: list[Joined]
    sessions: Sessions
    counts: dict[str, int]
    told: dict[str, int]
    """What was counted."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_HEAD = b"sorwatch engine %d\n"


def encode(state: State) -> bytes:
    """The bytes of a state."""
    return _HEAD % FORM + _encoder.encode(state)


def decode(data: bytes) -> State:
    """The state of these bytes; raises `UnreadableSnapshot`."""
    head, _, body = data.partition(b"\n")
    if head + b"\n" != _HEAD % FORM:
        raise UnreadableSnapshot(
            f"a snapshot of form {FORM} was expected and {head[:40]!r} found: start this partition from its reports, "
            "or with the version that wrote it"
        )
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableSnapshot(f"the snapshot cannot be read: {error}") from error


def promised(source: Source, first_waiting: int | None, settled: int | None) -> Source:
    """What a source of quotes has vouched for once its waiting blocks are out of sight."""
    if first_waiting is None:
        return structs.replace(source, heard=None)
    tick = source.tick if settled is None or source.tick is None else min(source.tick, settled)
    if settled is None:
        tick = None
    return structs.replace(source, heard=None, tick=tick, ended=False, last_n=first_waiting - 1)
