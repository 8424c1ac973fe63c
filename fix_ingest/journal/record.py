"""What the journal holds: one record per message or per thing that happened to a session."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

RecordKind = Literal["message", "up", "down", "gap", "gap_filled", "reset", "refused"]


class Record(Struct, frozen=True, gc=False):
    """One journal record."""

    n: int
    """Number within the journal: rises, never reused."""
    seen: int
    """When it reached sorwatch, ns UTC."""
    session: str
    """Name of the session in the settings."""
    kind: RecordKind
    """``message``: wire bytes; ``refused``: bytes the session layer would not take; else what befell the session."""
    body: bytes
    """Wire bytes for ``message`` and ``refused``; ``first-last`` for ``gap`` and ``gap_filled``; else free text."""
