"""FIX sessions as of the time judged: up or down, and which messages are missing."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from monitor.wire.events import Gap, GapFilled, Garbled, Reset, SessionDown, SessionEvent, SessionUp


class Sessions(Struct, kw_only=True):
    """What the session events so far amount to."""

    states: dict[str, Literal["up", "down"]] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """First and last of the messages that are missing, by session."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("garbled", "gaps", "resets"), 0))

    def tell(self, event: SessionEvent) -> None:
        """Take in the next event."""
        name = event.session
        if isinstance(event, SessionUp | SessionDown):
            self.states[name] = "up" if isinstance(event, SessionUp) else "down"
        elif isinstance(event, Gap):
            self.counts["gaps"] += 1
            self.gaps.setdefault(name, []).append((event.first, event.last))
        elif isinstance(event, GapFilled):
            missing = self.gaps.get(name, [])
            self.gaps[name] = [gap for gap in missing if not event.first <= gap[0] <= gap[1] <= event.last]
        elif isinstance(event, Reset):
            self.counts["resets"] += 1
            self.gaps.pop(name, None)
        elif isinstance(event, Garbled):
            self.counts["garbled"] += 1

    def doubt(self, name: str) -> str | None:
        """Why silence on a session proves nothing; ``None`` when it does."""
        if self.states.get(name) == "down":
            return f"session {name} was down at the deadline"
        if self.gaps.get(name):
            return f"messages of session {name} were missing at the deadline"
        return None
