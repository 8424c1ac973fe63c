"""Ways to reach people. A channel delivers, asks to be tried again, or refuses; which of them is its only judgement."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from alerts.render import Message


class Delivered(Struct, frozen=True, kw_only=True):
    """The channel has it."""

    thread: str | None = None
    """What to answer to with later notices of the same incident."""
    detail: str = ""


class Retry(Struct, frozen=True, kw_only=True):
    """Not now: the channel is away, busy, or it is not known whether it arrived."""

    why: str
    after_s: float | None = None
    """How long the channel asked to be left alone."""


class Refused(Struct, frozen=True, kw_only=True):
    """Never like this: trying again changes nothing until somebody mends the settings."""

    why: str


Outcome = Delivered | Retry | Refused


class Channel(Protocol):
    """One way to reach people."""

    name: str

    async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
        """Send one notice; never raises for what the other side does. ``key`` is the same for the same notice."""

    async def close(self) -> None:
        """Let go of connections."""
