"""An engine's state as bytes: everything but the quotes that are not settled, which are read again.

After a restore time stands at the settled time, not at the newest watermark that had been seen: until the blocks
from `Engine.first_unsettled` on have been read again, a source of quotes that had some waiting vouches for nothing
beyond it. Restoring the watermark instead made time move past blocks not read yet, and joins went wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from monitor.engine.fix_sessions import Sessions
from monitor.engine.joined import Joined
from monitor.engine.sequencer import Source
from monitor.wire.events import OrderKind, SessionKind

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

FORM = 3
"""Version of the state; raised with every change of what is kept."""


class UnreadableSnapshot(ValueError):
    """A snapshot that this version cannot go on from."""


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of an engine."""

    settled: int | None
    base: int | None
    symbols: list[str]
    columns: bytes
    sources: dict[str, Source]
    read_until: dict[str, int]
    """By source of quotes: the newest block that had been read."""
    held: list[OrderKind | SessionKind]
    families: list[bytes]
    parked: list[Joined]
    sessions: Sessions
    counts: dict[str, int]
    told: dict[str, int]
    """What the stories have counted."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_HEAD = b"sorwatch engine %d\n"


def encode(engine: Engine) -> bytes:
    """The engine's state."""
    engine.settle()
    book, sequencer, stories = engine.book, engine.sequencer, engine.stories
    symbols, columns = book.columns()
    sources = sequencer.sources
    waiting = book.first_waiting_n()
    counts = dict(engine.counted)
    counts["late_quotes"] += book.late
    counts["duplicates"] += sequencer.duplicates
    counts["silent_sources"] = sequencer.set_aside
    counts["forgotten"] = engine.ledger.forgotten
    state = State(
        settled=engine.settled,
        base=book.base,
        symbols=symbols,
        columns=columns,
        sources={name: _promised(s, waiting.get(name), engine.settled) for name, s in sources.items()},
        read_until={n: max(s.last_n, engine.read_until(n)) for n, s in sources.items() if s.stream == "nbbo"},
        held=sequencer.waiting(),
        families=engine.ledger.snapshot(),
        parked=list(stories.parked),
        sessions=engine.known,
        counts=counts,
        told=stories.counts,
    )
    return _HEAD % FORM + _encoder.encode(state)


def decode(data: bytes, engine: Engine) -> None:
    """Put a state into a new engine; raises `UnreadableSnapshot`."""
    head, _, body = data.partition(b"\n")
    if head + b"\n" != _HEAD % FORM:
        raise UnreadableSnapshot(
            f"a snapshot of form {FORM} was expected and {head[:40]!r} found: start this partition from its reports, "
            "or with the version that wrote it"
        )
    try:
        state = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableSnapshot(f"the snapshot cannot be read: {error}") from error
    _restore(state, engine)


def _restore(state: State, engine: Engine) -> None:
    engine.settled = state.settled
    engine.book.restore(state.symbols, state.columns, state.base)
    engine.sequencer.sources = dict(state.sources)
    engine.read_again(dict(state.read_until))
    for event in state.held:
        engine.sequencer.hold(event, heard=False)
    engine.ledger.restore(state.families)
    engine.verdicts.restore(state.settled)
    engine.stories.parked.restore(state.parked)
    engine.stories.counts.update(state.told)
    engine.known = state.sessions
    counts = dict(state.counts)
    engine.sequencer.set_aside = counts.pop("silent_sources", 0)
    engine.ledger.forgotten = counts.pop("forgotten", 0)
    engine.counted.update(counts)


def _promised(source: Source, first_waiting: int | None, settled: int | None) -> Source:
    """What a source has vouched for once its waiting blocks are out of sight."""
    if source.stream == "reports" or first_waiting is None:
        return structs.replace(source, heard=None)
    tick = source.tick if settled is None or source.tick is None else min(source.tick, settled)
    if settled is None:
        tick = None
    return structs.replace(source, heard=None, tick=tick, ended=False, last_n=first_waiting - 1)
